//! What tags say of stages, and who is planned anew for it.

use replication::sweep::agenda::to_remember;
use replication::sweep::directory::{directory_changes, unlisted};
use replication::sweep::{Agenda, Inventory, ListedStage, Look, Roster, StageKnowledge, SweepPolicy, agenda};
use replication::{Directory, Phase, Publisher, Replica, Rule, RuleRef, Source};

use crate::build::{publisher, rule, session, stage, tagged, tags, time, to};
use crate::{id, inventory, on};

/// Everybody of a main stage appears on the overflow stages of the same show.
fn by_tag() -> Rule {
    let source = Source::Tags(tags("role=main"));
    Rule { source, destinations: vec![tagged("role=overflow", &["show"])], ..rule("by-tag", &[]) }
}

pub(crate) fn tagged_roster(stages: &[(&str, &str)], complete: bool) -> Roster {
    let listed = stages.iter().map(|(id, of)| ListedStage {
        stage: stage(id),
        name: String::new(),
        tags: tags(of),
        active_session: Some(session("st-1")),
    });
    Roster { stages: listed.map(|listed| (listed.stage.clone(), listed)).collect(), complete }
}

fn changes(inventory: &Inventory, roster: &Roster, gone: &[&str]) -> Vec<String> {
    let gone = gone.iter().map(|id| stage(id)).collect();
    let changes = directory_changes(inventory, roster, &gone).into_iter();
    changes
        .map(|(stage, tags)| format!("{} {}", id(stage.as_str()), tags.map_or(0, |tags| tags.len())))
        .collect()
}

#[test]
fn the_directory_follows_what_is_listed_and_forgets_nothing_for_want_of_it() {
    let mut inventory = Inventory { rules: vec![by_tag()], ..Inventory::default() };
    let all = [("A", "role=main show=7"), ("B", "role=overflow show=7"), ("C", "role=overflow")];
    let listed = tagged_roster(&all, true);
    assert_eq!(changes(&inventory, &listed, &[]), ["B 2"], "C has no show to be the same");
    inventory.directory = Directory::from([(stage("B"), tags("role=overflow show=7"))]).into();
    assert_eq!(changes(&inventory, &listed, &[]), Vec::<String>::new(), "a quiet world is not written");

    // Not listed is not gone.
    for complete in [false, true] {
        let without = tagged_roster(&all[..1], complete);
        assert_eq!(changes(&inventory, &without, &[]), Vec::<String>::new());
        assert_eq!(unlisted(&inventory, &without).len(), usize::from(complete));
    }
    assert_eq!(changes(&inventory, &tagged_roster(&all[..1], true), &["B"]), ["B 0"]);

    // Not selected any more: taken out, unless something is replicated there, or a rule cannot be read.
    let other = tagged_roster(&[("B", "role=archive")], true);
    assert_eq!(changes(&inventory, &other, &[]), ["B 0"]);
    inventory.rules_incomplete = true;
    assert_eq!(changes(&inventory, &other, &[]), Vec::<String>::new());
    inventory.rules_incomplete = false;
    let behind = RuleRef { id: "by-tag".parse().unwrap(), revision: 1, priority: 50 };
    let running = Replica { phase: Phase::Active, rule: Some(behind), ..Replica::new(to("B")) };
    inventory.put_replica(running);
    assert_eq!(changes(&inventory, &other, &[]), ["B 1"], "so that the planner sees it");
    let without = tagged_roster(&all[..1], true);
    assert_eq!(changes(&inventory, &without, &["B"]), ["B 0"]);
    assert_eq!(directory_changes(&inventory, &without, &[stage("B")].into())[&stage("B")], Some(tags("")));
    inventory.directory = Directory::from([(stage("B"), tags(""))]).into();
    assert_eq!(changes(&inventory, &without, &["B"]), Vec::<String>::new());
    let ended = Replica { phase: Phase::Stopped, ..inventory.replica(&to("B")).cloned().unwrap() };
    inventory.put_replica(ended);
    assert_eq!(directory_changes(&inventory, &without, &[stage("B")].into())[&stage("B")], None);
}

/// What a rule names by its ARN is in no directory, and a stage that is gone stays there only for what may run on it.
#[test]
fn the_directory_is_of_what_rules_select_and_of_what_runs_there() {
    let mut inventory = Inventory { rules: vec![by_tag(), rule("named", &["D"])], ..Inventory::default() };
    let under = |rule: &str, phase| {
        let behind = RuleRef { id: rule.parse().unwrap(), revision: 1, priority: 50 };
        let destination = if rule == "named" { "D" } else { "B" };
        Replica { phase, rule: Some(behind), ..Replica::new(to(destination)) }
    };
    inventory.put_replica(under("named", Phase::Active));
    assert_eq!(changes(&inventory, &tagged_roster(&[("D", "role=lobby")], true), &[]), Vec::<String>::new());

    let directory = || Directory::from([(stage("B"), tags("role=overflow show=7"))]).into();
    let empty = tagged_roster(&[], true);
    for (phase, expected) in [(Phase::Active, Some(tags(""))), (Phase::Pending, None)] {
        inventory.directory = directory();
        inventory.put_replica(under("by-tag", phase.clone()));
        let changes = directory_changes(&inventory, &empty, &[stage("B")].into());
        assert_eq!(changes[&stage("B")], expected, "{phase:?}");
    }
}

#[test]
fn the_looks_are_at_sources_and_destinations_by_tag() {
    let listed =
        tagged_roster(&[("A", "role=main show=7"), ("B", "role=overflow show=7"), ("C", "role=lobby")], true);
    let mut inventory = Inventory { rules: vec![by_tag()], ..Inventory::default() };
    inventory.directory = Directory::from([(stage("B"), tags("role=overflow show=7"))]).into();
    let made = agenda(&inventory, &listed, 100, time("00:10:00"), &SweepPolicy::default());
    let order: Vec<_> = made.looks.iter().map(|look| id(look.stage.as_str())).collect();
    assert_eq!(order, ["A", "B"]);
    let kept = to_remember(&inventory, &listed, &made, time("00:10:00"), &SweepPolicy::default());
    assert_eq!(kept.len(), 3, "also C, so that nobody has to ask for its tags");
    inventory.rules = vec![rule("by-name", &["B"])];
    let kept = |looks: Vec<Look>| {
        let made = Agenda { looks, oldest: None };
        let kept = to_remember(&inventory, &listed, &made, time("00:10:00"), &SweepPolicy::default());
        kept.iter().map(|known| id(known.listed.stage.as_str()).to_owned()).collect::<String>()
    };
    let of_c = Look { stage: stage("C"), ..made.looks[0].clone() };
    assert_eq!([kept(vec![]), kept(vec![of_c])], ["AB", "ABC"], "what is named, and what is looked at");
}

#[test]
fn a_publisher_is_out_of_date_when_tags_changed_or_a_question_is_open() {
    let mut inventory = inventory(on("00:00:05"), None);
    let policy = replication::Policy::default();
    let is_open = |inventory: &Inventory| !inventory.out_of_date(time("00:10:00"), &policy).is_empty();
    inventory.rules = vec![by_tag()];
    inventory.directory = Directory::from([(stage("B"), tags("role=overflow show=7"))]).into();
    assert!(!is_open(&inventory), "tags are not known: the list of stages will tell");
    let listed = tagged_roster(&[("A", "role=main show=7")], true).stages.remove(&stage("A")).unwrap();
    inventory.put_knowledge(StageKnowledge::new(listed, time("00:00:00")));
    assert!(is_open(&inventory));

    let host = [("role".to_owned(), "host".parse().unwrap())].into();
    inventory.rules[0].participants.attributes = host;
    assert!(is_open(&inventory), "nothing is to be written, and something to be asked");
    let key = publisher();
    let known = inventory.publisher(&key).cloned().unwrap();
    inventory.put_publisher(Publisher { attributes: Some(tags("role=guest")), ..known });
    assert!(!is_open(&inventory));
}

/// What the list says of stages that are known, if it is something else; that one is not listed says something at the end of the list.
#[test]
fn what_a_list_says_anew_is_kept() {
    let listed = |id: &str, in_session: Option<&str>| ListedStage {
        stage: stage(id),
        name: id.to_owned(),
        tags: tags(""),
        active_session: in_session.map(session),
    };
    let mut inventory = Inventory::default();
    for id in ["A", "B", "C"] {
        let known = StageKnowledge::new(listed(id, Some("st-1")), time("00:00:00"));
        inventory.put_knowledge(StageKnowledge { looked_at: Some(time("00:05:00")), ..known });
    }
    let kept = |complete: bool| {
        let stages = [listed("A", Some("st-2")), listed("B", Some("st-1"))];
        let stages = stages.into_iter().map(|listed| (listed.stage.clone(), listed)).collect();
        let roster = Roster { stages, complete };
        let (now, policy) = (time("00:10:00"), SweepPolicy::default());
        let kept = to_remember(&inventory, &roster, &Agenda::default(), now, &policy).into_iter();
        kept.map(|known| (known.listed, known.looked_at)).collect::<Vec<_>>()
    };
    let looked_at = Some(time("00:05:00"));
    let changed = (listed("A", Some("st-2")), looked_at);
    assert_eq!(kept(false), std::slice::from_ref(&changed));
    assert_eq!(kept(true), [changed, (listed("C", None), looked_at)]);
}
