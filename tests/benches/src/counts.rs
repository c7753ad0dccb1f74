//! What an event takes that no clock has to tell: instructions, and how often and how much it asks for memory. Valgrind counts them, on the
//! binary that is shipped.
//!
//! A count is no time, so a noisy machine does not disturb it. Two runs that differ only in how many events they get differ by what an
//! event takes; what a start takes, and the first events, is in both.

use std::path::Path;

use serde::Serialize;
use tokio::time::sleep;

use crate::Error;
use crate::contender::{Contender, Running, Surroundings};
use crate::measure::REST;

/// Events of the shorter run, and of the longer one.
const EVENTS: [u64; 2] = [5, 25];

/// What holds for all stages is read once: again every 5 s, it would be in some runs and not in others.
const KEPT: &str = "SELECTOR_CACHE_SECONDS=60";

/// What one event takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Counts {
    /// Instructions of the program itself, not of the system for it.
    pub instructions: f64,
    /// Blocks of memory that it asks for.
    pub blocks: f64,
    /// Their bytes.
    pub bytes: f64,
}

/// A tool of Valgrind's, and what its summary calls what it counts.
struct Tool {
    name: &'static str,
    options: &'static [&'static str],
}

const DHAT: Tool = Tool { name: "dhat", options: &["--dhat-out-file=/dev/null"] };
const CACHEGRIND: Tool =
    Tool { name: "cachegrind", options: &["--cache-sim=no", "--cachegrind-out-file=/dev/null"] };

/// Counts for a contender that is a program of the system's own kind.
///
/// # Errors
/// When it does not do its job under Valgrind, or Valgrind says nothing.
pub async fn count(
    contender: &Contender,
    surroundings: Surroundings<'_>,
    valgrind: &Path,
) -> Result<Counts, Error> {
    let (mut heap, mut instructions) = (Vec::new(), Vec::new());
    for events in EVENTS {
        let said = summary(contender, surroundings, (valgrind, DHAT), events).await?;
        heap.push(read_heap(&said).ok_or_else(|| Error::unreadable("what DHAT says")(said))?);
        let said = summary(contender, surroundings, (valgrind, CACHEGRIND), events).await?;
        instructions
            .push(read_instructions(&said).ok_or_else(|| Error::unreadable("what Cachegrind says")(said))?);
    }
    let each =
        |of: &dyn Fn(usize) -> u64| of(1).saturating_sub(of(0)) as f64 / (EVENTS[1] - EVENTS[0]) as f64;
    Ok(Counts {
        instructions: each(&|run| instructions[run]),
        blocks: each(&|run| heap[run].blocks),
        bytes: each(&|run| heap[run].bytes),
    })
}

/// What Valgrind says at the end of a process that had so many events.
async fn summary(
    contender: &Contender,
    surroundings: Surroundings<'_>,
    (valgrind, tool): (&Path, Tool),
    events: u64,
) -> Result<String, Error> {
    let said = surroundings.logs.join(format!("{}.txt", tool.name));
    let own = [
        "/usr/bin/env".to_owned(),
        KEPT.to_owned(),
        valgrind.display().to_string(),
        format!("--tool={}", tool.name),
    ];
    let options = tool.options.iter().map(|option| (*option).to_owned());
    let to = [format!("--log-file={}", said.display())];
    let wrapper: Vec<String> = own.into_iter().chain(options).chain(to).collect();
    let (mut running, _) = Running::start(contender, surroundings, &wrapper).await?;
    for _ in 0..events {
        running.handle().await?;
        sleep(REST).await;
    }
    running.end().await?;
    std::fs::read_to_string(&said).map_err(Error::io(format!("read {}", said.display())))
}

/// All that a process took of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heap {
    blocks: u64,
    bytes: u64,
}

/// `==1== Total:     1,234 bytes in 56 blocks`
fn read_heap(said: &str) -> Option<Heap> {
    let line = said.lines().find_map(|line| line.split_once(" Total:"))?.1;
    let (bytes, blocks) = line.split_once(" in ")?;
    Some(Heap { blocks: first_number(blocks)?, bytes: first_number(bytes)? })
}

/// `==1== I   refs:      1,234,567`, or with one space less between the words.
fn read_instructions(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains(" I ") && line.contains("refs:"))?;
    first_number(line.split_once("refs:")?.1)
}

/// `==1== Collected : 1234567`
pub(crate) fn read_collected(said: &str) -> Option<u64> {
    first_number(said.lines().find_map(|line| line.split_once(" Collected :"))?.1)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_the_heap_is_read_and_not_what_was_alive_at_once() {
        let said = "==1== Command: ./bootstrap\n==1== \n==1== Total:     1,234,567 bytes in 8,901 blocks\n\
                    ==1== At t-gmax: 99 bytes in 3 blocks\n";
        assert_eq!(read_heap(said), Some(Heap { blocks: 8_901, bytes: 1_234_567 }));
        assert_eq!(read_heap("==1== Process terminating\n"), None);
    }

    #[test]
    fn instructions_are_read_as_old_and_new_versions_write_them() {
        for line in ["==1== I   refs:      31,415,926", "==1== I refs:        31,415,926"] {
            assert_eq!(read_instructions(&format!("==1== \n{line}\n")), Some(31_415_926), "{line}");
        }
        assert_eq!(read_instructions("==1== Total: 1 bytes in 1 blocks\n"), None);
        assert_eq!(read_collected("==1== Events    : Ir\n==1== Collected : 25361171\n"), Some(25_361_171));
    }
}
