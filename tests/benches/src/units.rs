//! What requests to DynamoDB cost, in request units, by DynamoDB's published rules for on-demand tables: as `tests/rehearsal/units.py`
//! counts them, where there is more about the rules.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::Error;
use crate::back_end::Call;

/// The keys of each index of the table.
const INDEXES: [[&str; 2]; 2] = [["destination", "phase"], ["due_class", "due_at"]];

/// Request units.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Units {
    /// For what was read.
    pub reads: f64,
    /// For what was written to the table.
    pub writes: f64,
    /// For what that changed in its indexes.
    pub index_writes: f64,
}

/// Counts units of calls in the order in which they were made, and remembers the items on the way.
#[derive(Debug, Default)]
pub struct Meter {
    items: BTreeMap<(String, String), Value>,
    units: Units,
}

impl Meter {
    /// What was counted.
    pub fn units(&self) -> Units {
        self.units
    }

    /// Counts a call that succeeded; one of IVS costs nothing here.
    ///
    /// # Errors
    /// When it is of a kind that is not expected.
    pub fn take(&mut self, call: &Call) -> Result<(), Error> {
        let not_expected =
            |problem: String| Error::Unreadable { what: format!("the call {}", call.operation), problem };
        match call.operation.as_str() {
            crate::back_end::START => {}
            "Query" => self.units.reads += read_units(call)?,
            "PutItem" => self.put(&call.body["Item"], 1)?,
            "TransactWriteItems" => {
                for entry in call.body["TransactItems"].as_array().into_iter().flatten() {
                    if let Some(put) = entry.get("Put") {
                        self.put(&put["Item"], 2)?;
                    } else if let Some(update) = entry.get("Update") {
                        self.update(&update["Key"], 2)?;
                    } else {
                        return Err(not_expected(entry.to_string()));
                    }
                }
            }
            _ => return Err(not_expected("its units are not known".to_owned())),
        }
        Ok(())
    }

    fn put(&mut self, new: &Value, factor: u64) -> Result<(), Error> {
        let old = self.items.insert(key(new)?, new.clone());
        self.write(old.as_ref(), new, factor)
    }

    /// An update changes little of its item: the places of a destination, at most twelve names.
    fn update(&mut self, of: &Value, factor: u64) -> Result<(), Error> {
        let item = self.items.entry(key(of)?).or_insert_with(|| of.clone()).clone();
        self.write(Some(&item), &item, factor)
    }

    fn write(&mut self, old: Option<&Value>, new: &Value, factor: u64) -> Result<(), Error> {
        let old_size = old.map(size).transpose()?.unwrap_or_default();
        self.units.writes += as_units(factor * kib(old_size.max(size(new)?)));
        for names in INDEXES {
            self.units.index_writes += as_units(index_units(old, new, names)?);
        }
        Ok(())
    }
}

/// Units of one index for an item that changed.
fn index_units(old: Option<&Value>, new: &Value, names: [&str; 2]) -> Result<u64, Error> {
    let is_there = |item: &Value| names.iter().all(|name| item.get(name).is_some());
    let before = old.filter(|item| is_there(item));
    let after = Some(new).filter(|item| is_there(item));
    if let (Some(before), Some(after)) = (before, after)
        && names.iter().all(|name| before[*name] == after[*name])
    {
        return Ok(if before == after { 0 } else { kib(size(before)?.max(size(after)?)) });
    }
    let images = [before, after].into_iter().flatten();
    images.map(|image| size(image).map(kib)).sum()
}

fn read_units(call: &Call) -> Result<f64, Error> {
    let items = call.answer["Items"].as_array().into_iter().flatten();
    let seen: u64 = items.map(size).sum::<Result<_, _>>()?;
    let units = as_units(seen.div_ceil(4_096).max(1));
    Ok(if call.body["ConsistentRead"] == true { units } else { units / 2.0 })
}

fn kib(size: u64) -> u64 {
    size.div_ceil(1_024).max(1)
}

fn as_units(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

fn key(item: &Value) -> Result<(String, String), Error> {
    let part = |name: &str| item[name]["S"].as_str().map(str::to_owned);
    part("pk").zip(part("sk")).ok_or_else(|| Error::Unreadable {
        what: "an item".to_owned(),
        problem: format!("{item} has no key of the table"),
    })
}

/// Bytes of an item as DynamoDB counts it: names and values in UTF-8, numbers about half of their digits.
fn size(item: &Value) -> Result<u64, Error> {
    let attributes = item.as_object().into_iter().flatten();
    attributes.map(|(name, value)| Ok(length(name) + value_size(value)?)).sum()
}

fn value_size(value: &Value) -> Result<u64, Error> {
    let not_expected = || Error::Unreadable {
        what: "an attribute".to_owned(),
        problem: format!("{value} is of a type that is not expected here"),
    };
    let typed = value.as_object().and_then(|typed| typed.iter().next());
    let (kind, content) = typed.ok_or_else(not_expected)?;
    let text = || content.as_str().ok_or_else(not_expected);
    let list = || content.as_array().ok_or_else(not_expected);
    Ok(match kind.as_str() {
        "S" => length(text()?),
        "N" => (length(&text()?.replace(['-', '.'], "")).div_ceil(2)) + 1,
        "BOOL" | "NULL" => 1,
        "SS" => list()?.iter().map(|text| text.as_str().map_or(0, length)).sum(),
        "L" => 3 + list()?.iter().map(|inner| Ok(1 + value_size(inner)?)).sum::<Result<u64, Error>>()?,
        "M" => {
            let inner = content.as_object().ok_or_else(not_expected)?;
            let sizes = inner.iter().map(|(name, value)| Ok(1 + length(name) + value_size(value)?));
            3 + sizes.sum::<Result<u64, Error>>()?
        }
        _ => return Err(not_expected()),
    })
}

fn length(text: &str) -> u64 {
    text.len() as u64
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;

    /// `{"X": 5}` is a text of five bytes.
    fn with_texts(value: &Value) -> Value {
        match value {
            Value::Object(map) if map.contains_key("X") => {
                json!({ "S": "x".repeat(serde_json::from_value(map["X"].clone()).unwrap()) })
            }
            Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), with_texts(value))).collect(),
            Value::Array(list) => list.iter().map(with_texts).collect(),
            other => other.clone(),
        }
    }

    fn call(call: &Value) -> Call {
        let now = Instant::now();
        let [body, answer] = ["body", "answer"].map(|name| with_texts(&call[name]));
        let operation = call["operation"].as_str().unwrap().to_owned();
        Call { operation, body, answer, began: now, ended: now }
    }

    /// The rehearsal, which is in Python, counts the same cases.
    #[test]
    fn the_units_are_those_of_the_cases() {
        let text = include_str!("../../rehearsal/units.json");
        let cases: Vec<Value> = serde_json::from_str(text).unwrap();
        assert!(cases.len() > 5);
        for case in cases {
            let mut meter = Meter::default();
            case["calls"].as_array().unwrap().iter().for_each(|one| meter.take(&call(one)).unwrap());
            let expected = |name: &str| case[name].as_f64().unwrap_or_default();
            let [reads, writes, index_writes] = ["reads", "writes", "index_writes"].map(expected);
            assert_eq!(meter.units(), Units { reads, writes, index_writes }, "{}", case["case"]);
        }
    }

    #[test]
    fn what_is_not_expected_is_an_error() {
        assert!(size(&json!({ "b": { "B": "AA==" } })).is_err());
        let body = json!({ "TransactItems": [{ "ConditionCheck": {} }] });
        let unknown = json!({ "operation": "TransactWriteItems", "body": body });
        assert!(Meter::default().take(&call(&unknown)).is_err());
    }
}
