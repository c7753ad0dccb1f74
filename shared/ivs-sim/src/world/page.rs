//! Pagination: lists cut into pages, and the opaque tokens that lead from one to the next.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::model::Operation;

/// Rows per page unless the request says otherwise (API reference).
const DEFAULT_MAX_RESULTS: u64 = 50;

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    OldestFirst,
    NewestFirst,
}

/// Cuts the page that the request asks for out of `rows`, each with its place in the order of origin, and renders it.
///
/// A token stands for the last row that was given, so rows that come or go do not shift the pages. It is good for the
/// same operation with the same members (but `maxResults`).
///
/// # Errors
/// ValidationException for a token that did not come from such a request.
pub(super) fn page<T>(
    operation: Operation,
    result_key: &str,
    input: &Value,
    direction: Direction,
    mut rows: Vec<(u64, T)>,
    render: impl Fn(T) -> Value,
) -> Result<Value, ApiError> {
    rows.sort_by_key(|(order, _)| *order);
    if direction == Direction::NewestFirst {
        rows.reverse();
    }
    let scope = scope(operation, input);
    if let Some(token) = input["nextToken"].as_str().filter(|token| !token.is_empty()) {
        let last = decode(token, &scope)?;
        rows.retain(|(order, _)| match direction {
            Direction::OldestFirst => *order > last,
            Direction::NewestFirst => *order < last,
        });
    }
    let size =
        usize::try_from(input["maxResults"].as_u64().unwrap_or(DEFAULT_MAX_RESULTS)).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let next = rows.last().filter(|_| more).map(|(order, _)| encode(*order, &scope));

    let mut output = Map::new();
    output.insert(result_key.to_owned(), rows.into_iter().map(|(_, row)| render(row)).collect());
    if let Some(next) = next {
        output.insert("nextToken".to_owned(), json!(next));
    }
    Ok(Value::Object(output))
}

/// A digest of what a token is good for (FNV-1a, 64 bits).
fn scope(operation: Operation, input: &Value) -> String {
    let mut text = operation.name().to_owned();
    let mut members: Vec<_> = input.as_object().into_iter().flatten().collect();
    members.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in members {
        if name != "nextToken" && name != "maxResults" && !value.is_null() {
            // Writing to a String cannot fail.
            let _ = write!(text, " {name}={value}");
        }
    }
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn encode(last: u64, scope: &str) -> String {
    URL_SAFE.encode(format!("{scope}.{last}"))
}

fn decode(token: &str, scope: &str) -> Result<u64, ApiError> {
    let decoded = URL_SAFE.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .as_deref()
        .and_then(|text| text.split_once('.'))
        .filter(|(of, _)| *of == scope)
        .and_then(|(_, last)| last.parse().ok())
        .ok_or_else(|| ApiError::validation("The nextToken is invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(
        operation: Operation,
        input: &Value,
        direction: Direction,
        rows: Vec<(u64, Value)>,
    ) -> Result<Value, ApiError> {
        page(operation, "rows", input, direction, rows, |row| row)
    }

    fn rows(orders: impl IntoIterator<Item = u64>) -> Vec<(u64, Value)> {
        orders.into_iter().map(|order| (order, json!(order))).collect()
    }

    fn walk(direction: Direction, mut input: Value) -> Vec<Vec<u64>> {
        let mut pages = Vec::new();
        loop {
            let output = list(Operation::ListStages, &input, direction, rows([3, 1, 4, 2, 5])).unwrap();
            pages.push(output["rows"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).collect());
            if output["nextToken"].is_null() {
                return pages;
            }
            input["nextToken"] = output["nextToken"].clone();
        }
    }

    #[test]
    fn pages_follow_each_other_in_both_directions() {
        assert_eq!(walk(Direction::OldestFirst, json!({"maxResults": 2})), [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(walk(Direction::NewestFirst, json!({"maxResults": 3})), [vec![5, 4, 3], vec![2, 1]]);
        assert_eq!(walk(Direction::OldestFirst, json!({"maxResults": 5})), [vec![1, 2, 3, 4, 5]]);
        assert_eq!(walk(Direction::OldestFirst, json!({})), [vec![1, 2, 3, 4, 5]]);
    }

    #[test]
    fn a_page_holds_fifty_rows_unless_asked_otherwise() {
        let output = list(Operation::ListStages, &json!({}), Direction::OldestFirst, rows(0..60)).unwrap();
        assert_eq!(output["rows"].as_array().unwrap().len(), 50);
    }

    #[test]
    fn a_row_that_goes_between_two_pages_takes_no_other_with_it() {
        let input = json!({"maxResults": 2});
        let first = list(Operation::ListStages, &input, Direction::OldestFirst, rows(1..=4)).unwrap();
        let input = json!({"nextToken": first["nextToken"]});
        let second = list(Operation::ListStages, &input, Direction::OldestFirst, rows([1, 3, 4])).unwrap();
        assert_eq!(second["rows"], json!([3, 4]));
    }

    #[test]
    fn a_token_is_good_for_its_own_request_only() {
        let token = |operation, input: &Value| {
            let output = list(operation, input, Direction::OldestFirst, rows(0..9)).unwrap();
            output["nextToken"].as_str().unwrap().to_owned()
        };
        let foreign = token(Operation::ListStageSessions, &json!({"stageArn": "a", "maxResults": 1}));
        for bad in ["x", "AAAA", &foreign] {
            let input = json!({"stageArn": "b", "nextToken": bad});
            let result = list(Operation::ListStageSessions, &input, Direction::OldestFirst, rows(0..9));
            assert_eq!(result.unwrap_err().message, "The nextToken is invalid", "{bad}");
        }
    }
}
