//! What is played: what customers do and what goes wrong, all of it drawn from one seed.

use std::collections::{BTreeMap, BTreeSet};

use ivs_sim::{Dialect, EventFaults, Switch};
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use replication::{Operation, ReconnectWindow, Status};

/// Stages of a case, by number.
pub(crate) const STAGES: usize = 8;

/// Participants who may publish on each of the first five stages.
const PARTICIPANTS: usize = 4;

/// Stages that participants publish on.
const SOURCES: usize = 5;

/// How long something goes wrong, in seconds.
pub(crate) const TROUBLED_SECONDS: u64 = 600;

/// Kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Events are lost.
    EventsLost,
    /// Events come twice.
    EventsDoubled,
    /// Events come up to four hours late.
    EventsLate,
    /// Events overtake each other.
    EventsReordered,
    /// Calls fail, before or after they took effect.
    CallsFail,
    /// Calls take up to five seconds, and some are given up on before they take effect.
    CallsSlow,
    /// Calls are throttled, though the quota allows them.
    CallsThrottled,
    /// A start is accepted and fails afterwards.
    StartsFailLater,
    /// Lists come empty or cut.
    ListsLie,
    /// Lists are as they were up to ten seconds ago.
    ListsStale,
    /// The table refuses writes as if somebody else had been faster.
    StoreConflicts,
    /// The table fails, before or after it did what it was asked to.
    StoreFails,
    /// The table's indexes lag behind.
    IndexesLag,
    /// Functions are killed at some await.
    Killed,
    /// Functions have clocks that differ by up to 100 ms.
    ClocksDiffer,
    /// Another application uses the same quotas.
    OthersCall,
    /// Another application replicates between the same stages.
    OthersReplicate,
    /// Stages are deleted.
    StagesDeleted,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::EventsLost,
        Self::EventsDoubled,
        Self::EventsLate,
        Self::EventsReordered,
        Self::CallsFail,
        Self::CallsSlow,
        Self::CallsThrottled,
        Self::StartsFailLater,
        Self::ListsLie,
        Self::ListsStale,
        Self::StoreConflicts,
        Self::StoreFails,
        Self::IndexesLag,
        Self::Killed,
        Self::ClocksDiffer,
        Self::OthersCall,
        Self::OthersReplicate,
        Self::StagesDeleted,
    ];

    /// The kind as one word, as the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::EventsLost => "events-lost",
            Self::EventsDoubled => "events-doubled",
            Self::EventsLate => "events-late",
            Self::EventsReordered => "events-reordered",
            Self::CallsFail => "calls-fail",
            Self::CallsSlow => "calls-slow",
            Self::CallsThrottled => "calls-throttled",
            Self::StartsFailLater => "starts-fail-later",
            Self::ListsLie => "lists-lie",
            Self::ListsStale => "lists-stale",
            Self::StoreConflicts => "store-conflicts",
            Self::StoreFails => "store-fails",
            Self::IndexesLag => "indexes-lag",
            Self::Killed => "killed",
            Self::ClocksDiffer => "clocks-differ",
            Self::OthersCall => "others-call",
            Self::OthersReplicate => "others-replicate",
            Self::StagesDeleted => "stages-deleted",
        }
    }
}

impl std::str::FromStr for Trouble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<_> = Self::ALL.iter().map(|trouble| trouble.name()).collect();
        let found = Self::ALL.into_iter().find(|trouble| trouble.name() == text);
        found.ok_or_else(|| format!("{text:?} is not valid: allowed is one of {}", names.join(", ")))
    }
}

/// A rule, in numbers of stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleSketch {
    pub(crate) id: usize,
    pub(crate) source: SourceSketch,
    /// Only users whose id begins so.
    pub(crate) users: Option<&'static str>,
    pub(crate) to: To,
    pub(crate) priority: u8,
    pub(crate) preempt: bool,
    pub(crate) status: Status,
    pub(crate) window: ReconnectWindow,
    /// When it ends by itself, in seconds since the start.
    pub(crate) expires: Option<u64>,
}

/// Whose publishers a rule replicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceSketch {
    Stage(usize),
    /// Stages with this value of tag `role`.
    Role(&'static str),
    Any,
}

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    Stages(Vec<usize>),
    /// Stages with this value of tag `role`; if so, only those of the same `show`.
    Role(&'static str, bool),
}

/// What customers and operators do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Publish(usize, String),
    Unpublish(usize, String),
    Leave(usize, String),
    /// All rules are replaced.
    Rules(Vec<RuleSketch>),
    Tag(usize, &'static str),
    Pause,
    Resume,
    Versus(Vec<usize>, u32),
    /// Another application starts a replication.
    OthersStart(usize, String, usize),
    /// And ends it.
    OthersStop(usize, String, usize),
    /// And calls an operation so many times.
    OthersCall(Operation, usize),
    Delete(usize),
}

/// Whom something concerns.
pub(crate) enum Concerned<'a> {
    Everybody,
    One(&'a str),
    Nobody,
}

impl What {
    /// Whom it concerns.
    pub(crate) fn concerns(&self) -> Concerned<'_> {
        match self {
            Self::Publish(_, who) | Self::Unpublish(_, who) | Self::Leave(_, who) => Concerned::One(who),
            Self::OthersStart(_, who, _) | Self::OthersStop(_, who, _) => Concerned::One(who),
            Self::OthersCall(..) => Concerned::Nobody,
            Self::Rules(_)
            | Self::Tag(..)
            | Self::Pause
            | Self::Resume
            | Self::Versus(..)
            | Self::Delete(_) => Concerned::Everybody,
        }
    }
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Action {
    /// Its number in the whole case.
    pub(crate) number: usize,
    /// When, in ms since the start.
    pub(crate) at: u64,
    pub(crate) what: What,
}

/// One case. The same case always goes the same way.
#[derive(Debug, Clone)]
pub struct Case {
    /// What all of it is drawn from.
    pub seed: u64,
    /// What goes wrong.
    pub troubles: BTreeSet<Trouble>,
    /// What IVS's documentation leaves open.
    pub dialect: Dialect,
    /// Whether the controller only looks on.
    pub observe: bool,
    /// How long things happen and go wrong, in seconds.
    pub(crate) seconds: u64,
    pub(crate) actions: Vec<Action>,
}

impl Case {
    /// The case of a seed, with the usual answers to what IVS leaves open.
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        // Every fourth case is untroubled, so that nothing hides behind trouble.
        let share = *[0.0, 0.15, 0.3, 0.6].choose(&mut dice).unwrap_or(&0.0);
        let troubles = Trouble::ALL.into_iter().filter(|_| dice.random_bool(share)).collect();
        Self::drawn(seed, dice, troubles)
    }

    /// The case of a seed in which just this goes wrong.
    pub fn troubled_by(seed: u64, troubles: &[Trouble]) -> Self {
        Self::drawn(seed, SmallRng::seed_from_u64(seed), troubles.iter().copied().collect())
    }

    fn drawn(seed: u64, mut dice: SmallRng, troubles: BTreeSet<Trouble>) -> Self {
        let observe = dice.random_bool(0.03);
        let actions = actions(&mut dice, &troubles);
        let seconds = TROUBLED_SECONDS;
        Self { seed, troubles, dialect: Dialect::default(), observe, seconds, actions }
    }

    /// A short and untroubled case in which each kind of work comes up: starts and stops by events, by changed rules, by a versus
    /// session and its end, and by a sweep. For those who want to kill at every await of it.
    pub fn short() -> Self {
        let rule = |id, source, to: &[usize], window| RuleSketch {
            id,
            source,
            users: None,
            to: To::Stages(to.to_vec()),
            priority: 50 + u8::try_from(id).unwrap_or(0),
            preempt: true,
            status: Status::Enabled,
            window: ReconnectWindow::from_seconds(window).unwrap_or_default(),
            expires: None,
        };
        let first =
            vec![rule(0, SourceSketch::Stage(0), &[5, 6], 0), rule(1, SourceSketch::Role("main"), &[7], 5)];
        let second =
            vec![rule(0, SourceSketch::Stage(0), &[6, 7], 0), rule(1, SourceSketch::Role("main"), &[4], 5)];
        let (ann, ben) = ("host-00".to_owned(), "host-10".to_owned());
        let happens = [
            (0, What::Rules(first)),
            (1_000, What::Publish(0, ann.clone())),
            (2_000, What::Publish(1, ben.clone())),
            (20_000, What::Rules(second)),
            (35_000, What::Versus(vec![0, 1], 15)),
            (62_000, What::Unpublish(1, ben)),
            (75_000, What::Leave(0, ann)),
        ];
        let number = |(number, (at, what))| Action { number, at, what };
        Self {
            seed: 0,
            troubles: BTreeSet::new(),
            dialect: Dialect::default(),
            observe: false,
            seconds: 90,
            actions: happens.into_iter().enumerate().map(number).collect(),
        }
    }

    /// The same with answers that the seed draws.
    #[must_use]
    pub fn in_any_dialect(self) -> Self {
        let mut dice = SmallRng::seed_from_u64(self.seed ^ 0xD1A1);
        Self { dialect: any_dialect(&mut dice), ..self }
    }

    /// The same in another dialect.
    #[must_use]
    pub fn in_dialect(self, dialect: Dialect) -> Self {
        Self { dialect, ..self }
    }

    /// With these troubles alone.
    #[must_use]
    pub fn with_troubles(self, troubles: BTreeSet<Trouble>) -> Self {
        Self { troubles, ..self }
    }

    /// With these switches of the dialect alone, each as `name=option`.
    ///
    /// # Errors
    /// The switch that does not exist, or has no such option.
    pub fn with_switches(mut self, switches: &[String]) -> Result<Self, String> {
        self.dialect = Dialect::default();
        for switch in switches {
            let (name, option) = switch.split_once('=').unwrap_or((switch, ""));
            let option = serde_json::from_str(option).unwrap_or_else(|_| option.into());
            self.dialect = self.dialect.with(name, &option).map_err(|error| error.to_string())?;
        }
        Ok(self)
    }

    /// The switches of the dialect that are not as usual, each as `name=option`.
    pub fn switches(&self) -> Vec<String> {
        let mine = serde_json::to_value(&self.dialect).unwrap_or_default();
        let unusual = Dialect::switches().into_iter().filter(|switch| mine[switch.name] != switch.default);
        let text = |option: &serde_json::Value| option.as_str().map_or(option.to_string(), str::to_owned);
        unusual.map(|switch| format!("{}={}", switch.name, text(&mine[switch.name]))).collect()
    }

    /// With these actions alone, by their numbers.
    #[must_use]
    pub fn with_actions(mut self, numbers: &BTreeSet<usize>) -> Self {
        self.actions.retain(|action| numbers.contains(&action.number));
        self
    }

    /// The numbers of its actions.
    pub fn numbers(&self) -> BTreeSet<usize> {
        self.actions.iter().map(|action| action.number).collect()
    }

    /// Faults of the delivery of events.
    pub(crate) fn event_faults(&self) -> EventFaults {
        let has = |trouble| self.troubles.contains(&trouble);
        let mut dice = SmallRng::seed_from_u64(self.seed ^ 0xE7E7);
        let loss = *[0.01, 0.1, 0.5, 1.0].choose(&mut dice).unwrap_or(&0.0);
        let late = *[2_000, 30_000, 14_400_000].choose(&mut dice).unwrap_or(&0);
        EventFaults {
            loss: if has(Trouble::EventsLost) { loss } else { 0.0 },
            duplicate: if has(Trouble::EventsDoubled) { 0.3 } else { 0.0 },
            delay_ms: 0,
            jitter_ms: if has(Trouble::EventsLate) { late } else { 0 },
            reorder: if has(Trouble::EventsReordered) { 0.3 } else { 0.0 },
        }
    }
}

/// A dialect with every switch set by the dice.
fn any_dialect(dice: &mut SmallRng) -> Dialect {
    let set = |dialect: Dialect, switch: Switch| {
        let option = switch.options.choose(dice).unwrap_or(&switch.default);
        #[allow(clippy::expect_used, reason = "it is one of the switch's options")]
        dialect.with(switch.name, option).expect("an option")
    };
    Dialect::switches().into_iter().fold(Dialect::default(), set)
}

fn actions(dice: &mut SmallRng, troubles: &BTreeSet<Trouble>) -> Vec<Action> {
    let many = dice.random_range(5..60);
    let mut at = 0;
    let mut actions = Vec::new();
    let mut add = |at: u64, what: What| {
        let number = actions.len();
        actions.push(Action { number, at, what });
    };
    add(0, What::Rules(rules(dice)));
    for _ in 0..many {
        at += dice.random_range(0..TROUBLED_SECONDS * 2_000 / many);
        if at >= TROUBLED_SECONDS * 1_000 {
            break;
        }
        let what = something(dice, troubles);
        // What ends by itself has ended when it is looked at what is left.
        let ends = matches!(what, What::Versus(_, seconds) if at + 1_000 * u64::from(seconds) > (TROUBLED_SECONDS - 30) * 1_000);
        if !ends {
            add(at, what);
        }
    }
    actions
}

fn something(dice: &mut SmallRng, troubles: &BTreeSet<Trouble>) -> What {
    let (stage, who) = somebody(dice);
    let other = dice.random_range(0..STAGES);
    let others = troubles.contains(&Trouble::OthersReplicate);
    if others && dice.random_bool(0.15) {
        return What::OthersStart(stage, who, other);
    }
    match dice.random_range(0..100) {
        0..45 => What::Publish(stage, who),
        45..58 => What::Unpublish(stage, who),
        58..72 => What::Leave(stage, who),
        72..82 => What::Rules(rules(dice)),
        82..84 => What::Tag(other, ["main", "wall", "none"].choose(dice).unwrap_or(&"none")),
        84..86 => What::Pause,
        86..89 => What::Resume,
        89..91 => {
            let mut stages: Vec<_> = (0..SOURCES).collect();
            stages.shuffle(dice);
            stages.truncate(dice.random_range(2..=3));
            What::Versus(stages, dice.random_range(5..120))
        }
        91..93 if others => What::OthersStop(stage, who, other),
        95..97 if troubles.contains(&Trouble::OthersCall) => {
            let operation = *[Operation::Start, Operation::Stop, Operation::List]
                .choose(dice)
                .unwrap_or(&Operation::Start);
            What::OthersCall(operation, dice.random_range(1..8))
        }
        97..98 if troubles.contains(&Trouble::StagesDeleted) => What::Delete(other),
        _ => What::Publish(stage, who),
    }
}

fn somebody(dice: &mut SmallRng) -> (usize, String) {
    let stage = dice.random_range(0..SOURCES);
    let kind = ["host", "guest"].choose(dice).unwrap_or(&"host");
    (stage, format!("{kind}-{stage}{}", dice.random_range(0..PARTICIPANTS)))
}

fn rules(dice: &mut SmallRng) -> Vec<RuleSketch> {
    (0..dice.random_range(0..=5)).map(|id| rule(dice, id)).collect()
}

fn rule(dice: &mut SmallRng, id: usize) -> RuleSketch {
    let from = dice.random_range(0..SOURCES);
    let source = match dice.random_range(0..10) {
        0 => SourceSketch::Any,
        1..=2 => SourceSketch::Role("main"),
        _ => SourceSketch::Stage(from),
    };
    let mut others: Vec<_> =
        (0..STAGES).filter(|stage| *stage != from || source != SourceSketch::Stage(from)).collect();
    others.shuffle(dice);
    others.truncate(dice.random_range(1..=7));
    RuleSketch {
        id,
        source,
        users: dice.random_bool(0.2).then_some("host-"),
        to: if dice.random_bool(0.2) { To::Role("wall", dice.random_bool(0.5)) } else { To::Stages(others) },
        // Each rule has a priority of its own: two of the same that ask different things of one replica are refused.
        priority: 20 * u8::try_from(id).unwrap_or(0) + dice.random_range(0..20),
        preempt: dice.random_bool(0.4),
        status: if dice.random_bool(0.1) { Status::Paused } else { Status::Enabled },
        window: ReconnectWindow::from_seconds(*[0, 0, 20].choose(dice).unwrap_or(&0)).unwrap_or_default(),
        expires: dice.random_bool(0.05).then(|| dice.random_range(0..TROUBLED_SECONDS)),
    }
}

/// The tags of a stage when everything begins.
pub(crate) fn first_tags(stage: usize) -> BTreeMap<String, String> {
    let role = if stage < 2 {
        "main"
    } else if stage >= SOURCES {
        "wall"
    } else {
        "none"
    };
    let show = if stage.is_multiple_of(2) { "even" } else { "odd" };
    BTreeMap::from([("role".to_owned(), role.to_owned()), ("show".to_owned(), show.to_owned())])
}
