//! Every metric of the functions: its name, its unit, what it is split by, and what it tells.

/// The namespace of every metric.
pub const NAMESPACE: &str = "Stagelink";

/// What the values of a metric are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The table's name. Every metric has it, so that two stacks in one account stay apart.
    Table,
    /// The rule, as [`Replica::counted_under`](replication::Replica::counted_under) says.
    Rule,
    /// Why replications are blocked.
    Reason,
    /// The IVS operation.
    Operation,
    /// The function.
    Function,
    /// What must always hold, by its id.
    Invariant,
}

impl Dimension {
    /// The dimension's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "Table",
            Self::Rule => "Rule",
            Self::Reason => "Reason",
            Self::Operation => "Operation",
            Self::Function => "Function",
            Self::Invariant => "Invariant",
        }
    }
}

/// Declares the metrics: the documentation of each is its meaning, and its identifier its name.
macro_rules! metrics {
    ($count:literal: $($(#[doc = $doc:literal])+ $name:ident: $unit:ident $(by $by:ident)?,)+) => {
        /// A metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Metric {
            /// Every metric.
            pub const ALL: [Self; $count] = [$(Self::$name,)+];

            /// The metric's name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// CloudWatch's name of its unit.
            pub fn unit(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($unit),)+
                }
            }

            /// What it is split by, beside the table.
            pub fn split_by(self) -> Option<Dimension> {
                match self {
                    $(Self::$name => [$(Some(Dimension::$by),)? None][0],)+
                }
            }

            /// What it tells.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc,)+).trim_ascii(),)+
                }
            }
        }
    };
}

metrics! { 15:
    /// How long a publisher has been publishing when IVS accepts the Start of its first replica at a destination since then.
    /// Starts that make up for what is over since long, that replace a replica, or that a limit or an order kept back do not
    /// count.
    ReplicationLatency: Seconds by Rule,
    /// Starts and Stops that IVS refused or gave no answer to; not those that were throttled, or found nothing left to stop.
    OperationsFailedReplication: Count by Rule,
    /// Replications of which a start or a stop has to be made, is under way, or will be tried again.
    OperationsPendingReplication: Count by Rule,
    /// For how long the pending start or stop that is due for the longest time is due; 0 if none is.
    OldestPendingSeconds: Seconds,
    /// Replicas of our own that run.
    RunningReplicas: Count by Rule,
    /// Replica hours of the minute that a sweep stands for: a sixtieth of the running replicas. The sum over a time is the
    /// replica hours of that time.
    ReplicaHours: None by Rule,
    /// Replications that are wanted and not to be had at the moment.
    BlockedReplicas: Count by Reason,
    /// Running replicas that somebody else started, as the last sweep knows them.
    ForeignReplicas: Count,
    /// Running replicas that should be stopped, and that the brake on mass stops holds until somebody looks again.
    BrakedReplicas: Count,
    /// The age of the oldest knowledge that the sweep has of an active stage.
    OldestKnowledgeSeconds: Seconds,
    /// IVS calls, whatever became of them; each page of a list is one.
    Calls: Count by Operation,
    /// IVS calls that IVS throttled.
    ThrottledCalls: Count by Operation,
    /// Events that are not for us: other sources, other detail types, unknown or irrelevant event names.
    EventsIgnored: Count by Function,
    /// Events that cannot be read.
    EventsMalformed: Count by Function,
    /// Plans that would have broken what must always hold, and were not carried out: a fault of Stagelink's.
    PlansForbidden: Count by Invariant,
}
