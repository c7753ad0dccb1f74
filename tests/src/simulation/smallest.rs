//! Makes a case that fails smaller, as long as it fails in the same way.

use std::collections::BTreeSet;

use super::{Case, Play, play};

/// The smallest case found that breaks the same promise, by leaving out troubles and actions.
pub fn smallest(case: &Case, how: Play) -> Case {
    let how = Play { traced: false, ..how };
    let Some(first) = play(case, how).violations.into_iter().next() else { return case.clone() };
    let fails =
        |case: &Case| play(case, how).violations.iter().any(|found| found.invariant == first.invariant);
    let mut case = case.clone();
    loop {
        let before = (case.troubles.len(), case.actions.len());
        for trouble in case.troubles.clone() {
            let fewer = case.troubles.iter().copied().filter(|other| *other != trouble).collect();
            let smaller = case.clone().with_troubles(fewer);
            if fails(&smaller) {
                case = smaller;
            }
        }
        let mut size = case.actions.len().div_ceil(2);
        while size > 0 {
            let numbers: Vec<_> = case.numbers().into_iter().collect();
            for part in numbers.chunks(size) {
                let part: BTreeSet<_> = part.iter().copied().collect();
                let rest: BTreeSet<_> = case.numbers().difference(&part).copied().collect();
                let smaller = case.clone().with_actions(&rest);
                if fails(&smaller) {
                    case = smaller;
                }
            }
            size /= 2;
        }
        if (case.troubles.len(), case.actions.len()) == before {
            return case;
        }
    }
}
