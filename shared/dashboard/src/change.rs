//! What has to be done to rows to turn them into later ones.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::{Rows, Section};

/// Rows that are new or different, and keys of rows that are gone.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Change {
    /// Rows to put in the place of those with their keys.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub put: Rows,
    /// Keys of rows to take out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gone: BTreeMap<Section, Vec<String>>,
}

impl Change {
    /// What turns `before` into `after`.
    pub fn between(before: &Rows, after: &Rows) -> Self {
        let mut change = Self::default();
        let nothing = BTreeMap::new();
        for (section, rows) in after {
            let earlier = before.get(section).unwrap_or(&nothing);
            for (key, row) in rows.iter().filter(|(key, row)| earlier.get(*key) != Some(row)) {
                change.put.entry(*section).or_default().insert(key.clone(), row.clone());
            }
        }
        for (section, rows) in before {
            let later = after.get(section).unwrap_or(&nothing);
            let gone: Vec<String> = rows.keys().filter(|key| !later.contains_key(*key)).cloned().collect();
            if !gone.is_empty() {
                change.gone.insert(*section, gone);
            }
        }
        change
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.gone.is_empty()
    }

    /// Does it, as the page does. A section without rows is no section.
    pub fn apply(&self, rows: &mut Rows) {
        for (section, keys) in &self.gone {
            let Some(there) = rows.get_mut(section) else { continue };
            keys.iter().for_each(|key| drop(there.remove(key)));
        }
        for (section, put) in &self.put {
            let there = rows.entry(*section).or_default();
            there.extend(put.iter().map(|(key, row): (&String, &Value)| (key.clone(), row.clone())));
        }
        rows.retain(|_, there| !there.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn some_rows() -> impl Strategy<Value = Rows> {
        let section = prop_oneof![
            Just(Section::Stages),
            Just(Section::Replicas),
            Just(Section::Control),
            Just(Section::Versus)
        ];
        let keyed = btree_map("[a-e]", (0_u8..4).prop_map(|n| json!({ "n": n })), 1..5);
        btree_map(section, keyed, 0..4)
    }

    proptest! {
        #[test]
        fn changes_applied_to_the_first_rows_give_the_last(worlds in vec(some_rows(), 1..8)) {
            let mut page = worlds[0].clone();
            for pair in worlds.windows(2) {
                let change = Change::between(&pair[0], &pair[1]);
                prop_assert_eq!(change.is_empty(), pair[0] == pair[1]);
                change.apply(&mut page);
                prop_assert_eq!(&page, &pair[1]);
            }
        }

        #[test]
        fn a_change_says_no_more_than_what_changed(before in some_rows(), after in some_rows()) {
            let change = Change::between(&before, &after);
            for (section, put) in &change.put {
                for (key, row) in put {
                    prop_assert_ne!(before.get(section).and_then(|rows| rows.get(key)), Some(row));
                }
            }
            for (section, gone) in &change.gone {
                for key in gone {
                    prop_assert!(before[section].contains_key(key));
                }
            }
        }
    }
}
