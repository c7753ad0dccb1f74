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

    fn call(operation: &str, body: Value, answer: Value) -> Call {
        let now = Instant::now();
        Call { operation: operation.to_owned(), body, answer, began: now, ended: now }
    }

    fn item(sk: &str, bytes: usize) -> Value {
        json!({ "pk": { "S": "p" }, "sk": { "S": sk }, "text": { "S": "x".repeat(bytes) } })
    }

    fn units(calls: &[Call]) -> Units {
        let mut meter = Meter::default();
        calls.iter().for_each(|call| meter.take(call).unwrap());
        meter.units()
    }

    #[test]
    fn an_item_is_as_large_as_its_names_and_values() {
        let item = json!({
            "pk": { "S": "é" },
            "n": { "N": "-12.345" },
            "l": { "L": [{ "S": "ab" }, { "BOOL": true }] },
            "m": { "M": { "k": { "NULL": true } } },
            "s": { "SS": ["a", "bc"] }
        });
        assert_eq!(size(&item).unwrap(), (2 + 2) + (1 + 4) + (1 + 3 + 3 + 2) + (1 + 3 + 3) + (1 + 3));
        assert!(size(&json!({ "b": { "B": "AA==" } })).is_err());
    }

    #[test]
    fn a_transaction_costs_twice_and_the_larger_image_counts() {
        let put = |item: Value| call("PutItem", json!({ "Item": item }), json!({}));
        assert_eq!(units(&[put(item("a", 10))]).writes, 1.0);
        assert_eq!(units(&[put(item("a", 1_100)), put(item("a", 10))]).writes, 4.0);
        let both = json!({ "TransactItems": [
            { "Put": { "Item": item("a", 10) } },
            { "Update": { "Key": { "pk": { "S": "p" }, "sk": { "S": "b" } } } }
        ] });
        assert_eq!(units(&[call("TransactWriteItems", both, json!({}))]).writes, 4.0);
        let check = json!({ "TransactItems": [{ "ConditionCheck": {} }] });
        let unknown = call("TransactWriteItems", check, json!({}));
        assert!(Meter::default().take(&unknown).is_err());
    }

    #[test]
    fn an_index_costs_what_comes_changes_and_goes() {
        let replica = |phase: &str, size: usize| {
            let mut item = item("r", size);
            item["destination"] = json!({ "S": "d" });
            item["phase"] = json!({ "S": phase });
            call("PutItem", json!({ "Item": item }), json!({}))
        };
        let plain = call("PutItem", json!({ "Item": item("r", 1) }), json!({}));
        for (calls, expected) in [
            (vec![plain.clone()], 0.0),
            (vec![replica("Starting", 1)], 1.0),
            (vec![replica("Starting", 1), replica("Starting", 1)], 1.0),
            (vec![replica("Starting", 1), replica("Starting", 2)], 2.0),
            (vec![replica("Starting", 1), replica("Active", 1)], 3.0),
            (vec![replica("Starting", 1), plain], 2.0),
        ] {
            assert_eq!(units(&calls).index_writes, expected, "{calls:?}");
        }
    }

    #[test]
    fn a_consistent_read_is_a_unit_for_each_4_kib_and_another_half_of_that() {
        let query = |consistent, sizes: &[usize]| {
            let items: Vec<Value> = sizes.iter().map(|size| item("a", *size)).collect();
            units(&[call("Query", json!({ "ConsistentRead": consistent }), json!({ "Items": items }))]).reads
        };
        assert_eq!((query(true, &[]), query(false, &[])), (1.0, 0.5));
        assert_eq!((query(true, &[2_000, 2_000, 2_000]), query(false, &[5_000])), (2.0, 1.0));
    }
}
