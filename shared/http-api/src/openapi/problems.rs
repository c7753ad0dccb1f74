//! Which problems an operation may answer.

use std::collections::BTreeSet;

use crate::operation::{Body, IfMatch, Method, Operation, Route};
use crate::problem::Kind;

pub(super) fn of(operation: Operation) -> BTreeSet<Kind> {
    let Route { method, parameters, body, if_match, path } = operation.route();
    let mut problems = BTreeSet::from([Kind::UnknownParameter, Kind::BodyTooLarge]);
    let mut add = |kinds: &[Kind], when: bool| problems.extend(kinds.iter().filter(|_| when));
    let by_stage =
        [Operation::ListPublishers, Operation::ListReplicas, Operation::Explain, Operation::ListActivity];
    add(&[Kind::MissingParameter], by_stage.contains(&operation));
    add(&[Kind::InvalidParameter], !parameters.is_empty() || path.contains("{id}"));
    add(&[Kind::InvalidHeader], if_match != IfMatch::No || operation.takes_key());
    add(&[Kind::PreconditionRequired], if_match == IfMatch::Must);
    add(
        &[
            Kind::UnsupportedMediaType,
            Kind::InvalidJson,
            Kind::UnknownField,
            Kind::MissingField,
            Kind::InvalidField,
        ],
        body != Body::None,
    );
    add(&[Kind::KeyReused, Kind::RequestInProgress], operation.takes_key());
    let of_a_rule = path.starts_with("/rules/");
    let changes_a_rule = path.starts_with("/rules") && method != Method::Get;
    add(&[Kind::UnknownRule], of_a_rule);
    add(&[Kind::RevisionMoved], changes_a_rule && if_match != IfMatch::No);
    add(&[Kind::RuleExists], operation == Operation::CreateRule);
    add(&[Kind::RulesContradict], changes_a_rule && operation != Operation::DeleteRule);
    add(&[Kind::RulesContradict], operation == Operation::Plan);
    let changes_a_session = path.starts_with("/versus") && method == Method::Post;
    add(&[Kind::UnknownVersus], path.starts_with("/versus/"));
    add(&[Kind::VersusExists], operation == Operation::StartVersus);
    add(&[Kind::VersusOver], [Operation::ExtendVersus, Operation::EndVersus].contains(&operation));
    add(&[Kind::Contended], changes_a_rule || changes_a_session);
    let unbounded = [Operation::ListVersus, Operation::Explain, Operation::Plan];
    add(&[Kind::AnswerTooLarge], unbounded.contains(&operation));
    let reads_the_table = operation != Operation::OpenApi;
    add(&[Kind::TableUnavailable, Kind::TableRefused, Kind::ItemUnreadable], reads_the_table);
    problems
}
