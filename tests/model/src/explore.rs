//! Every state that can be reached, the nearest first; and from each of them, where the ordinary course of things ends.
//!
//! # Guarantees
//! * The first broken promise that is found is one with as few steps before it as there is.
//! * A component is *final* if the ordinary course of things (calm steps) leads out of it nowhere. Whoever goes on for ever, and puts
//!   nothing off for ever, ends in a final component and sees all of it again and again. So if every state of every final component
//!   is as it should be, then from every reachable state all fair courses end as they should, in whatever order things are done.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// States, and what leads from one to the next.
pub trait Space: Sync {
    /// A state.
    type State: Send + Sync;
    /// What is not as it must be.
    type Broken: Send;

    /// Where everything begins.
    fn first(&self) -> Self::State;
    /// A number that is the same for states that are the same.
    fn fingerprint(&self, state: &Self::State) -> u128;
    /// What can come next, always in the same order.
    fn next(&self, state: &Self::State) -> Vec<Next<Self>>;
    /// Whether all is as it should be, if this is where it ends.
    fn is_well(&self, state: &Self::State) -> bool;
}

/// A step, and where it leads.
pub struct Next<S: Space + ?Sized> {
    /// Whether it belongs to the ordinary course of things.
    pub calm: bool,
    /// Whether it is one that has to come to an end.
    pub acts: bool,
    /// The state after it, or why that must not be.
    pub then: Result<S::State, S::Broken>,
}

/// How far to go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// No more states than this.
    pub states: usize,
    /// How many threads.
    pub threads: usize,
}

impl Default for Limits {
    /// Everything, on one thread.
    fn default() -> Self {
        Self { states: usize::MAX, threads: 1 }
    }
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Explored<B> {
    /// Different states.
    pub states: usize,
    /// Steps between them.
    pub transitions: usize,
    /// Steps to the farthest state.
    pub depth: usize,
    /// Final components.
    pub ends: usize,
    /// Whether every state was seen, and not only as many as the limit allows.
    pub complete: bool,
    /// The first thing that is not as it must be.
    pub found: Option<Found<B>>,
}

/// What is not as it must be, and the way there: which of the steps, each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<B> {
    /// A step that must not be: the last one of the way.
    Broken(Vec<usize>, B),
    /// A state that is not as it should be, and from which the ordinary course of things only leads to such states, or back to it.
    NeverWell(Vec<usize>),
    /// A state to which the ordinary course of things always comes back, by acting.
    NeverRests(Vec<usize>),
}

/// Bits of an edge; the rest is the state that it leads to.
const CALM: u32 = 1 << 31;
const ACTS: u32 = 1 << 30;
const STATE: u32 = ACTS - 1;

/// States that are worked on at one time.
const BATCH: usize = 2_048;

/// What is kept of the states.
struct Graph {
    numbers: HashMap<u128, u32>,
    /// From which state, by which step.
    parents: Vec<(u32, u16)>,
    well: Vec<bool>,
    /// Where the edges of each state begin.
    begins: Vec<usize>,
    edges: Vec<u32>,
}

/// One step away from a state that is looked at.
struct Found1<S: Space + ?Sized> {
    bits: u32,
    step: u16,
    then: Result<(u128, S::State), S::Broken>,
}

/// Explores everything within these limits. Whoever watches is told, again and again, how many states there are so far, and how many
/// steps away the farthest is.
pub fn explore<S: Space>(
    space: &S,
    limits: Limits,
    mut watch: impl FnMut(usize, usize),
) -> Explored<S::Broken> {
    let first = space.first();
    let mut graph = Graph {
        numbers: HashMap::from([(space.fingerprint(&first), 0)]),
        parents: vec![(0, 0)],
        well: vec![space.is_well(&first)],
        begins: Vec::new(),
        edges: Vec::new(),
    };
    let mut explored = Explored { states: 1, transitions: 0, depth: 0, ends: 0, complete: true, found: None };
    let mut level = vec![first];
    while !level.is_empty() {
        let mut next_level = Vec::new();
        let mut states = std::mem::take(&mut level).into_iter().peekable();
        while states.peek().is_some() {
            let batch: Vec<_> = states.by_ref().take(BATCH).collect();
            for steps in steps_of(space, &batch, limits.threads) {
                let from = graph.begins.len() as u32;
                graph.begins.push(graph.edges.len());
                for Found1 { bits, step, then } in steps {
                    let (fingerprint, state) = match then {
                        Ok(then) => then,
                        Err(broken) => {
                            let mut way = graph.way(from);
                            way.push(step.into());
                            explored.transitions = graph.edges.len();
                            explored.found = Some(Found::Broken(way, broken));
                            explored.complete = false;
                            return explored;
                        }
                    };
                    let number = match graph.numbers.entry(fingerprint) {
                        Entry::Occupied(known) => *known.get(),
                        Entry::Vacant(_) if graph.parents.len() >= limits.states => {
                            explored.complete = false;
                            continue;
                        }
                        Entry::Vacant(new) => {
                            let number = *new.insert(graph.parents.len() as u32);
                            graph.parents.push((from, step));
                            graph.well.push(space.is_well(&state));
                            next_level.push(state);
                            number
                        }
                    };
                    graph.edges.push(bits | number);
                }
            }
            watch(graph.parents.len(), explored.depth);
        }
        explored.depth += usize::from(!next_level.is_empty());
        explored.states = graph.parents.len();
        explored.transitions = graph.edges.len();
        level = next_level;
    }
    graph.begins.push(graph.edges.len());
    if explored.complete {
        (explored.ends, explored.found) = graph.ends();
    }
    explored
}

/// The steps of each of these states, in order.
fn steps_of<S: Space>(space: &S, batch: &[S::State], threads: usize) -> Vec<Vec<Found1<S>>> {
    let steps = |state: &S::State| -> Vec<_> {
        let next = space.next(state).into_iter().enumerate();
        next.map(|(i, Next { calm, acts, then })| Found1 {
            bits: if calm { CALM } else { 0 } | if acts { ACTS } else { 0 },
            step: u16::try_from(i).unwrap_or(u16::MAX),
            then: then.map(|state| (space.fingerprint(&state), state)),
        })
        .collect()
    };
    let part = batch.len().div_ceil(threads.max(1)).max(1);
    if part >= batch.len() {
        return batch.iter().map(steps).collect();
    }
    std::thread::scope(|scope| {
        let parts: Vec<_> = batch
            .chunks(part)
            .map(|part| scope.spawn(move || part.iter().map(steps).collect::<Vec<_>>()))
            .collect();
        let done = parts.into_iter().map(|part| part.join());
        done.flat_map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

impl Graph {
    /// The steps from the first state to this one.
    fn way(&self, to: u32) -> Vec<usize> {
        let mut way = Vec::new();
        let mut at = to;
        while at != 0 {
            let (from, step) = self.parents[at as usize];
            way.push(usize::from(step));
            at = from;
        }
        way.reverse();
        way
    }

    fn calm(&self, from: u32) -> impl Iterator<Item = u32> {
        let edges = &self.edges[self.begins[from as usize]..self.begins[from as usize + 1]];
        edges.iter().filter(|edge| *edge & CALM != 0).copied()
    }

    /// How many final components there are, and the nearest state of one that is not as it should be.
    fn ends<B>(&self) -> (usize, Option<Found<B>>) {
        let component = self.components();
        let count = component.iter().copied().max().map_or(0, |last| last as usize + 1);
        let mut is_final = vec![true; count];
        let mut rests = vec![true; count];
        let mut is_well = vec![true; count];
        for from in 0..self.parents.len() as u32 {
            let of = component[from as usize] as usize;
            is_well[of] &= self.well[from as usize];
            for edge in self.calm(from) {
                let stays = component[(edge & STATE) as usize] as usize == of;
                is_final[of] &= stays;
                rests[of] &= !stays || edge & ACTS == 0;
            }
        }
        let ends = is_final.iter().filter(|is_final| **is_final).count();
        // States are numbered by their distance.
        let found = (0..self.parents.len()).find_map(|state| {
            let of = component[state] as usize;
            let way = || self.way(state as u32);
            match (is_final[of], is_well[of], rests[of]) {
                (true, false, _) if !self.well[state] => Some(Found::NeverWell(way())),
                (true, true, false) => Some(Found::NeverRests(way())),
                _ => None,
            }
        });
        (ends, found)
    }

    /// The strongly connected component of every state, by calm steps (Tarjan), without recursion.
    fn components(&self) -> Vec<u32> {
        const NONE: u32 = u32::MAX;
        let count = self.parents.len();
        let (mut index, mut low) = (vec![NONE; count], vec![0_u32; count]);
        let mut component = vec![NONE; count];
        let (mut stack, mut path): (Vec<u32>, Vec<(u32, usize)>) = (Vec::new(), Vec::new());
        let (mut visited, mut components) = (0, 0);
        for root in 0..count as u32 {
            if index[root as usize] != NONE {
                continue;
            }
            path.push((root, self.begins[root as usize]));
            while let Some((state, edge)) = path.last_mut() {
                let at = *state as usize;
                if index[at] == NONE {
                    (index[at], low[at]) = (visited, visited);
                    visited += 1;
                    stack.push(*state);
                }
                if *edge < self.begins[at + 1] {
                    let to = self.edges[*edge];
                    *edge += 1;
                    let target = (to & STATE) as usize;
                    if to & CALM == 0 {
                        continue;
                    }
                    if index[target] == NONE {
                        path.push((to & STATE, self.begins[target]));
                    } else if component[target] == NONE {
                        low[at] = low[at].min(index[target]);
                    }
                    continue;
                }
                path.pop();
                if let Some((parent, _)) = path.last() {
                    low[*parent as usize] = low[*parent as usize].min(low[at]);
                }
                if low[at] == index[at] {
                    while let Some(top) = stack.pop() {
                        component[top as usize] = components;
                        if top as usize == at {
                            break;
                        }
                    }
                    components += 1;
                }
            }
        }
        component
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A graph of numbers: from, to, whether calm, whether it acts. `bad` states are not well; to `u8::MAX` no step may lead.
    struct Toy {
        edges: &'static [(u8, u8, bool, bool)],
        bad: &'static [u8],
    }

    impl Space for Toy {
        type State = u8;
        type Broken = ();

        fn first(&self) -> u8 {
            0
        }

        fn fingerprint(&self, state: &u8) -> u128 {
            u128::from(*state)
        }

        fn next(&self, state: &u8) -> Vec<Next<Self>> {
            let from = self.edges.iter().filter(|(from, ..)| from == state);
            from.map(|&(_, to, calm, acts)| Next {
                calm,
                acts,
                then: if to == u8::MAX { Err(()) } else { Ok(to) },
            })
            .collect()
        }

        fn is_well(&self, state: &u8) -> bool {
            !self.bad.contains(state)
        }
    }

    fn found(edges: &'static [(u8, u8, bool, bool)], bad: &'static [u8]) -> Option<Found<()>> {
        let one = explore(&Toy { edges, bad }, Limits::default(), |_, _| {});
        let two = explore(&Toy { edges, bad }, Limits { threads: 2, ..Limits::default() }, |_, _| {});
        assert_eq!(one.found, two.found, "threads make no difference");
        one.found
    }

    #[test]
    fn what_is_passed_through_may_be_bad() {
        assert_eq!(found(&[(0, 1, true, false), (1, 2, true, true), (2, 2, true, false)], &[0, 1]), None);
    }

    #[test]
    fn a_circle_that_can_be_left_is_no_end() {
        let edges = &[(0, 1, true, false), (1, 0, true, true), (1, 2, true, false)];
        assert_eq!(found(edges, &[0, 1]), None);
    }

    #[test]
    fn a_circle_that_can_only_be_left_by_trouble_is_an_end() {
        let edges = &[(0, 1, true, false), (1, 2, true, false), (2, 1, true, false), (2, 3, false, false)];
        assert_eq!(found(edges, &[2]), Some(Found::NeverWell(vec![0, 0])));
        assert_eq!(found(edges, &[]), None);
    }

    #[test]
    fn to_act_for_ever_is_no_rest() {
        let edges = &[(0, 1, true, true), (1, 2, true, false), (2, 1, true, true)];
        assert_eq!(found(edges, &[]), Some(Found::NeverRests(vec![0])));
    }

    #[test]
    fn the_shortest_way_to_what_must_not_be_is_found() {
        let edges =
            &[(0, 1, true, false), (1, 2, true, false), (2, u8::MAX, true, false), (0, 2, false, false)];
        assert_eq!(found(edges, &[]), Some(Found::Broken(vec![1, 0], ())));
    }

    #[test]
    fn limits_are_kept_and_told() {
        let edges = &[(0, 1, true, false), (1, 2, false, false), (2, 3, true, false)];
        let toy = Toy { edges, bad: &[] };
        let all = explore(&toy, Limits::default(), |_, _| {});
        assert_eq!((all.states, all.transitions, all.depth, all.ends, all.complete), (4, 3, 3, 2, true));
        let few = explore(&toy, Limits { states: 2, ..Limits::default() }, |_, _| {});
        assert_eq!((few.states, few.complete), (2, false));
    }
}
