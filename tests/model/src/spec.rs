//! Which small worlds there are: what is in them, what people may do, and what may go wrong.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// A small world, in numbers. Its size is what is in it, together with how often people do something and something goes wrong.
#[derive(Debug, Clone)]
pub struct Spec {
    /// How it is called.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// How the rules lie between the stages.
    pub layout: Layout,
    /// How many stages; 2–26.
    pub stages: usize,
    /// How many participants.
    pub participants: usize,
    /// How many rules.
    pub rules: usize,
    /// How long replicas wait for their publisher to come back, in ticks; 0–5.
    pub window: u8,
    /// Whether a rule takes the slots and places of those of lower priority.
    pub preempts: bool,
    /// At which tick the last rule expires, if it does.
    pub expires: Option<u8>,
    /// How many replications a participant may have at one time.
    pub slots: usize,
    /// How many others publish on the last stage all the time.
    pub crowd: usize,
    /// How many stops within a minute the brake lets pass; nothing if it is off.
    pub brake: Option<usize>,
    /// What people may do.
    pub may: BTreeSet<Doing>,
    /// How often they do something.
    pub doings: u8,
    /// What may go wrong.
    pub troubles: BTreeSet<Trouble>,
    /// How often something goes wrong, whatever it is.
    pub faults: u8,
    /// Whether IVS tells nothing by itself, so that sweeps have to find it all.
    pub deaf: bool,
    /// Whether IVS accepts a Start of what runs and a Stop of what does not. If not, it refuses both.
    pub lenient: bool,
    /// Whether IVS leaves replicas running whose publisher is gone.
    pub lingers: bool,
    /// A controller that is wrong, for tests of the tests.
    pub sabotage: Option<Sabotage>,
}

/// How the rules lie between the stages. The later a rule, the higher its priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Each stage into the next, the last into the first; and on each, some of the participants.
    Round,
    /// All from the first stage, where all participants are, into the others in turn.
    Rivals,
    /// From each stage but the last into the last; and on each of them, some of the participants.
    Inward,
}

/// What people may do. Each time costs one of the world's doings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    /// A participant begins to publish, or stops.
    Publish,
    /// A rule is paused, or resumed.
    PauseRule,
    /// A rule is deleted, or put back.
    DeleteRule,
    /// An operator pauses everything, or resumes it.
    PauseAll,
    /// Somebody else starts a replication.
    Others,
}

/// What may go wrong. Each time costs one of the world's faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A message is lost.
    Lost,
    /// A message is late: it comes whenever it will. Others come in any order, but before time passes.
    Late,
    /// A message comes twice.
    Doubled,
    /// A function is killed: before its calls, between them, or before it wrote what came of them.
    Killed,
    /// A call has no answer, whether it took effect or not.
    Unanswered,
    /// IVS throttles a call.
    Throttled,
    /// IVS denies access.
    Denied,
    /// IVS refuses a call without a reason.
    Refused,
    /// A replica that was started fails at its destination.
    FailsLater,
    /// A list shows nothing, or no replicas.
    ListsLie,
    /// A function is slow between reading and writing, so that others write first.
    SlowWrite,
    /// A call is slow, and over just before its lease is.
    SlowCall,
    /// A function is slow to write what came of its calls: its lease may be over by then.
    SlowRecord,
    /// A sweep is slow: what it read is written after others wrote what is newer.
    SlowSweep,
}

/// A controller that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// It stores no intent.
    NoIntent,
    /// It writes no lease with its intents.
    NoLease,
    /// It takes an empty list for the news that nobody publishes.
    EmptyListIsProof,
    /// It stops what no rule wants, whosever it is.
    StopsOthers,
    /// It does not make sure, when it starts something, that nobody else starts something for the same participant.
    NoSlotGuard,
    /// It never asks what became of a call without an outcome.
    NeverVerifies,
    /// It takes replicas for originals.
    NoReplicaFlag,
    /// It never sweeps.
    NeverSweeps,
    /// It does not stop what no rule wants any more.
    NeverStops,
    /// It believes for ever that somebody publishes who once did.
    NeverForgets,
}

impl Spec {
    /// Two stages, and a rule from the one to the other; on the one, a participant. Nobody does anything, but they may publish and
    /// pause the rule; and nothing goes wrong, but everything may.
    pub fn one() -> Self {
        Self {
            name: "one",
            about: "a participant, and a rule that is paused and resumed",
            layout: Layout::Rivals,
            stages: 2,
            participants: 1,
            rules: 1,
            window: 0,
            preempts: false,
            expires: None,
            slots: 5,
            crowd: 0,
            brake: None,
            may: [Doing::Publish, Doing::PauseRule].into(),
            doings: 0,
            troubles: Trouble::ALL.into(),
            faults: 0,
            deaf: false,
            lenient: false,
            lingers: false,
            sabotage: None,
        }
    }

    /// The same, in which people do something so often, and something goes wrong so often.
    pub fn with(self, doings: u8, faults: u8) -> Self {
        Self { doings, faults, ..self }
    }

    /// Every world that is checked, as small as `cargo test` checks it. They differ from the first one by what they are about.
    pub fn all() -> Vec<Self> {
        let one = Self::one().with(2, 1);
        let may = |doings: &[Doing]| doings.iter().copied().chain([Doing::Publish]).collect();
        let about = |name, about| Self { name, about, ..one.clone() };
        vec![
            one.clone(),
            Self {
                rules: 2,
                may: may(&[Doing::DeleteRule]),
                ..about("takeover", "two rules want the same replica, and are deleted and put back")
            },
            Self {
                layout: Layout::Round,
                participants: 2,
                rules: 2,
                ..about("mutual", "two stages replicate into each other, each with a participant")
            },
            Self { deaf: true, ..about("deaf", "no event ever comes") },
            Self { window: 1, ..about("window", "replicas wait for their publisher to come back") },
            Self {
                window: 1,
                lingers: true,
                may: may(&[]),
                ..about("lingers", "IVS leaves replicas running whose publisher is gone")
            },
            Self {
                lenient: true,
                ..about("lenient", "IVS accepts a Start of what runs and a Stop of what does not")
            },
            Self {
                may: may(&[Doing::PauseRule, Doing::Others]),
                ..about("others", "somebody else starts replications, too")
            },
            Self {
                may: may(&[Doing::PauseAll]),
                ..about("paused", "an operator pauses and resumes everything")
            },
            Self { brake: Some(0), ..about("braked", "no stop passes the brake without a second witness") },
            Self { expires: Some(2), may: may(&[]), ..about("timed", "the rule expires") },
            Self {
                stages: 3,
                rules: 2,
                slots: 1,
                preempts: true,
                may: may(&[]),
                ..about("slots", "two replicas of a participant, who has a slot for one of them")
            },
            Self {
                layout: Layout::Inward,
                stages: 3,
                participants: 2,
                rules: 2,
                crowd: 11,
                preempts: true,
                may: may(&[]),
                // With faults it has more states than fit in a test; with this one it is explored in half a minute.
                faults: 0,
                troubles: [Trouble::Killed].into(),
                ..about("places", "two participants, and a place for the replica of one of them")
            },
        ]
    }
}

impl Layout {
    /// From which stage to which the rule of this number goes, among so many. The participant of this number is on the same stage.
    pub(crate) fn rule(self, number: usize, stages: usize) -> (usize, usize) {
        let last = stages - 1;
        match self {
            Self::Round => (number % stages, (number + 1) % stages),
            Self::Rivals => (0, 1 + number % last),
            Self::Inward => (number % last, last),
        }
    }
}

impl Doing {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Publish, Self::PauseRule, Self::DeleteRule, Self::PauseAll, Self::Others];

    /// The kind as one word, as the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::PauseRule => "pause-rule",
            Self::DeleteRule => "delete-rule",
            Self::PauseAll => "pause-all",
            Self::Others => "others",
        }
    }
}

impl Sabotage {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::NoIntent,
        Self::NoLease,
        Self::EmptyListIsProof,
        Self::StopsOthers,
        Self::NoSlotGuard,
        Self::NeverVerifies,
        Self::NoReplicaFlag,
        Self::NeverSweeps,
        Self::NeverStops,
        Self::NeverForgets,
    ];

    /// The kind as one word, as the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoIntent => "no-intent",
            Self::NoLease => "no-lease",
            Self::EmptyListIsProof => "empty-list-is-proof",
            Self::StopsOthers => "stops-others",
            Self::NoSlotGuard => "no-slot-guard",
            Self::NeverVerifies => "never-verifies",
            Self::NoReplicaFlag => "no-replica-flag",
            Self::NeverSweeps => "never-sweeps",
            Self::NeverStops => "never-stops",
            Self::NeverForgets => "never-forgets",
        }
    }
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Lost,
        Self::Late,
        Self::Doubled,
        Self::Killed,
        Self::Unanswered,
        Self::Throttled,
        Self::Denied,
        Self::Refused,
        Self::FailsLater,
        Self::ListsLie,
        Self::SlowWrite,
        Self::SlowCall,
        Self::SlowRecord,
        Self::SlowSweep,
    ];

    /// The kind as one word, as the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Late => "late",
            Self::Doubled => "doubled",
            Self::Killed => "killed",
            Self::Unanswered => "unanswered",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::FailsLater => "fails-later",
            Self::ListsLie => "lists-lie",
            Self::SlowWrite => "slow-write",
            Self::SlowCall => "slow-call",
            Self::SlowRecord => "slow-record",
            Self::SlowSweep => "slow-sweep",
        }
    }
}

/// Reads one of the names.
macro_rules! named {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let names = Self::ALL.map(Self::name).join(", ");
                let found = Self::ALL.into_iter().find(|one| one.name() == text);
                found.ok_or_else(|| format!("{text:?} is not valid: allowed is one of {names}"))
            }
        }
    };
}

named!(Doing);
named!(Sabotage);
named!(Trouble);
