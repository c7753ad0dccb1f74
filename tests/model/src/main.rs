//! draft
use std::time::Instant;
use clap::Parser;
use model::*;
#[derive(Parser)]
struct O {
    #[arg(long)] world: String,
    #[arg(long)] doings: Option<u8>,
    #[arg(long)] faults: Option<u8>,
    #[arg(long)] window: Option<u8>,
    #[arg(long, value_delimiter=',')] troubles: Vec<Trouble>,
    #[arg(long, value_delimiter=',')] may: Vec<Doing>,
    #[arg(long, default_value_t=4_000_000)] states: usize,
    #[arg(long, default_value_t=usize::MAX)] depth: usize,
}
fn main() {
    let o = O::parse();
    for mut s in Spec::all().into_iter().filter(|s| o.world == "all" || o.world == s.name) {
        if let Some(x) = o.doings { s.doings = x }
        if let Some(x) = o.faults { s.faults = x }
        if let Some(x) = o.window { s.window = x }
        if !o.troubles.is_empty() { s.troubles = o.troubles.iter().copied().collect() }
        if !o.may.is_empty() { s.may = o.may.iter().copied().collect() }
        let w = World::of(s);
    let t = Instant::now();
    let e = check(&w, Limits { threads: 2, states: o.states, depth: o.depth });
    println!("{}: {} states {} transitions depth {} ends {} complete {} {:?}", w.spec().name, e.states, e.transitions, e.depth, e.ends, e.complete, t.elapsed());
    if let Some(f) = &e.found { println!("{}", story(&w, f)); }
    }
}
