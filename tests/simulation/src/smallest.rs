//! Makes a case that fails smaller, as long as it fails in the same way, and tells its story.

use std::collections::BTreeSet;

use crate::{Case, Play, play};

/// The smallest case found that breaks the same promise, by leaving out troubles and actions.
pub fn smallest(case: &Case, how: Play) -> Case {
    let how = Play { traced: false, ..how };
    let Some(first) = play(case, how).violations.into_iter().next() else { return case.clone() };
    let fails =
        |case: &Case| play(case, how).violations.iter().any(|found| found.invariant == first.invariant);
    let mut case = case.clone();
    loop {
        let size_of = |case: &Case| (case.troubles.len(), case.switches().len(), case.actions.len());
        let before = size_of(&case);
        for trouble in case.troubles.clone() {
            let fewer = case.troubles.iter().copied().filter(|other| *other != trouble).collect();
            let smaller = case.clone().with_troubles(fewer);
            if fails(&smaller) {
                case = smaller;
            }
        }
        for switch in case.switches() {
            let fewer: Vec<_> = case.switches().into_iter().filter(|other| *other != switch).collect();
            let Ok(smaller) = case.clone().with_switches(&fewer) else { continue };
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
        if size_of(&case) == before {
            return case;
        }
    }
}

/// What happens in the smallest case that fails as this one does, and how to play that again.
pub fn story(case: &Case, how: Play) -> String {
    let small = smallest(case, how);
    let outcome = play(&small, Play { traced: true, ..how });
    let troubles: Vec<_> = small.troubles.iter().map(|trouble| trouble.name()).collect();
    let actions: Vec<_> = small.numbers().iter().map(usize::to_string).collect();
    let broken: Vec<_> = outcome.violations.iter().map(ToString::to_string).collect();
    format!(
        "seed {}, as small as it gets:\n{}\n\n{}\n\ncargo sim --replay {} --troubles={} --dialect={} --actions={}",
        small.seed,
        outcome.trace.join("\n"),
        broken.join("\n"),
        small.seed,
        troubles.join(","),
        small.switches().join(","),
        actions.join(",")
    )
}
