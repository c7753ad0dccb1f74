//! Names, ids and words of others in the table, and the operator's command that shows them: as columns, sentences, JSON and YAML.
//!
//! An input is a JSON object with texts by what they are. What is no such object is every text at once.

#![allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;

use controller::sweep::port::SweepStore;
use controller::{Activity, History, Operator, Order, Store, VersusStore, Write};
use replication::sweep::{ListedStage, StageKnowledge};
use replication::{
    Blocked, BlockedReason, Desired, Evidence, LastError, Moment, Owner, Pause, Phase, Publisher,
    PublisherKey, Replica, Rule, RuleRef, Source, Versus, VersusTerms,
};
use serde_json::Value;

use super::table::{Table, now, on_a_table};
use super::{Reached, is_obeyed};
use crate::rows::{self, rule, stage};

/// Fills a table with these texts, and has the command show all of it.
///
/// # Panics
/// When a command fails for them, prints something that a terminal would obey, or a document that cannot be read.
pub fn screen(bytes: &[u8]) -> Reached {
    let texts = Texts::of(bytes);
    let mut reached = Reached::new();
    on_a_table(async |table| {
        let rules = fill(table, &texts).await;
        reached.insert(format!("{rules} rules"));
        let console = &table.console;
        for (form, command) in COMMANDS {
            let arguments: Vec<&str> = command.split(' ').collect();
            reached.insert(format!("{form:?}"));
            is_harmless(form, &console.run(&arguments).await.text, command);
        }
        // What is asked for by name has the name in its answer.
        for name in [texts.get("user_id"), texts.get("outcome")] {
            let said = console.run(&["explain", "--", name]).await;
            reached.insert(format!("explain {}", said.code));
            is_harmless(Form::Text, &said.text, "explain");
            is_harmless(Form::Text, &console.run(&["get", "stages", "--", name]).await.text, "get stages");
        }
    });
    reached
}

/// What a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    Yaml,
}

const COMMANDS: [(Form, &str); 16] = [
    (Form::Text, "get rules -o wide"),
    (Form::Text, "get stages -o wide"),
    (Form::Text, "get publishers --all -o wide"),
    (Form::Text, "get replicas --all -o wide"),
    (Form::Text, "get replicas --all"),
    (Form::Text, "get versus -o wide"),
    (Form::Text, "get blocked -o wide"),
    (Form::Text, "get budget"),
    (Form::Text, "explain p-1"),
    (Form::Text, "activity --since 2h"),
    (Form::Text, "rule history main"),
    (Form::Json, "get publishers --all -o json"),
    (Form::Json, "get rules -o json"),
    (Form::Json, "explain p-1 -o json"),
    (Form::Yaml, "get replicas --all -o yaml"),
    (Form::Yaml, "get stages -o yaml"),
];

fn is_harmless(form: Form, said: &str, command: &str) {
    let obeyed = said.chars().find(|c| is_obeyed(*c));
    assert_eq!(obeyed, None, "{command}: {said:?}");
    match form {
        Form::Text => {}
        Form::Json => drop(serde_json::from_str::<Value>(said).expect("JSON")),
        Form::Yaml => drop(serde_saphyr::from_str::<Value>(said).expect("YAML")),
    }
}

/// Texts by what they are.
struct Texts(BTreeMap<String, String>, String);

impl Texts {
    fn of(bytes: &[u8]) -> Self {
        let whole = String::from_utf8_lossy(bytes).into_owned();
        match serde_json::from_slice::<BTreeMap<String, Value>>(bytes) {
            Ok(texts) => {
                let texts = texts
                    .into_iter()
                    .map(|(name, text)| (name, text.as_str().unwrap_or_default().to_owned()));
                Self(texts.collect(), String::new())
            }
            Err(_) => Self(BTreeMap::new(), whole),
        }
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or(&self.1)
    }

    fn owned(&self, name: &str) -> String {
        self.get(name).to_owned()
    }

    /// A tag or an attribute. Neither IVS nor the table knows one without a name.
    fn map(&self, name: &str) -> BTreeMap<String, String> {
        let pair = (self.owned(&format!("{name}_key")), self.owned(&format!("{name}_value")));
        Some(pair).into_iter().filter(|(name, _)| !name.is_empty()).collect()
    }
}

/// Puts all of it into the table. Gives how many rules are there: not every text may stand in one.
async fn fill(table: &Table, texts: &Texts) -> usize {
    let store = &table.world.store;
    let rules = rules(texts);
    store.replace_rules(&rules, &order(texts)).await.expect("rules that were checked");
    let write = Write {
        publisher: Some(publisher(texts)),
        replicas: replicas(texts),
        activity: vec![activity(texts)],
        ..Write::default()
    };
    store.write(&write).await.expect("an empty table");
    for id in ["A", "B"] {
        store.remember_stage(&knowledge(id, texts)).await.expect("a stage");
    }
    let terms = VersusTerms {
        attributes: texts.map("attribute"),
        ..VersusTerms::new("duel".parse().expect("an id"), vec![stage("A"), stage("B")], 60)
    };
    store.write_versus(&Versus::new(terms, now())).await.expect("a session");
    let pause = Pause { reason: texts.owned("reason"), by: texts.owned("by"), at: now() };
    store.pause(&pause).await.expect("a pause");
    store.note(&order(texts).line("Adopt", texts.owned("outcome"))).await.expect("a line of history");
    rules.len()
}

fn order(texts: &Texts) -> Order {
    Order { by: texts.owned("by"), reason: Some(texts.owned("reason")), at: now() }
}

/// A rule for each place of a text in a rule, where it may stand there.
fn rules(texts: &Texts) -> Vec<Rule> {
    let (a, b) = (stage("A"), stage("B"));
    let plain = |id: &str| rule(id, a.as_str(), b.as_str());
    let mut by_attribute = plain("by-attribute");
    let pattern = texts.get("pattern").parse().ok();
    by_attribute.participants.attributes =
        pattern.iter().map(|pattern| (texts.owned("attribute_key"), Clone::clone(pattern))).collect();
    let mut by_user = plain("by-user");
    by_user.participants.user_id = pattern;
    let rules = [
        plain("main"),
        Rule { attributes: texts.map("attribute"), ..plain("with-attributes") },
        Rule { source: Source::Tags(texts.map("tag")), ..plain("by-tag") },
        by_attribute,
        by_user,
    ];
    let numbered = rules.into_iter().zip(10..).map(|(rule, priority)| Rule { priority, ..rule });
    numbered.filter(|rule| rule.validate().is_ok()).collect()
}

fn publisher(texts: &Texts) -> Publisher {
    Publisher {
        user_id: texts.owned("user_id"),
        session: Some("st-1".parse().expect("a session's id")),
        attributes: Some(texts.map("attribute")),
        evidence: Evidence { on: Some(Moment::exact(now())), off: None },
        ..Publisher::new(PublisherKey {
            stage: stage("A"),
            participant: "p-1".parse().expect("a participant's id"),
        })
    }
}

fn replicas(texts: &Texts) -> Vec<Replica> {
    let main = RuleRef { id: "main".parse().expect("a rule's id"), revision: 1, priority: 10 };
    let refused = Blocked { reason: BlockedReason::Rejected, until: Some(now()) };
    let last_error = LastError {
        rejection: None,
        code: texts.owned("error_code"),
        message: texts.owned("error_message"),
        request_id: Some(texts.owned("request_id")),
        at: now(),
    };
    let blocked = Replica {
        last_error: Some(last_error.clone()),
        ..rows::replica(main.clone(), "p-1", "B", Phase::Blocked(refused))
    };
    let stopping = Replica {
        last_error: Some(last_error),
        desired: Desired::Released,
        ..rows::replica(main.clone(), "p-1", "C", Phase::Stopping)
    };
    let foreign =
        Replica { owner: Owner::Foreign, rule: None, ..rows::replica(main, "p-1", "D", Phase::Active) };
    vec![blocked, stopping, foreign]
}

fn activity(texts: &Texts) -> Activity {
    Activity {
        at: now(),
        stage: stage("A"),
        participant: Some("p-1".parse().expect("a participant's id")),
        destination: Some(stage("B")),
        operation: "StartParticipantReplication",
        rule: Some("main".parse().expect("a rule's id")),
        outcome: texts.owned("outcome"),
        reason: Some(texts.owned("reason")),
        request_id: Some(texts.owned("request_id")),
        caller: texts.owned("caller"),
    }
}

fn knowledge(id: &str, texts: &Texts) -> StageKnowledge {
    let listed = ListedStage {
        stage: stage(id),
        name: texts.owned("stage_name"),
        tags: texts.map("tag"),
        active_session: Some("st-1".parse().expect("a session's id")),
    };
    StageKnowledge::new(listed, now())
}
