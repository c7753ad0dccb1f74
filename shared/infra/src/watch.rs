//! `cargo infra watch`: the functions under `cargo lambda watch`, on the local stand's world.
//!
//! The stand serves DynamoDB and the simulated IVS and runs no functions of its own, so that an event is handled once. The world
//! has the stages that the envelopes in `events/` speak of, with rules for them.

mod cases;
mod check;
mod session;
mod world;

use clap::Args;

use crate::error::Error;
use crate::workspace::Workspace;
use session::Session;
use world::World;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Invoke every function with every file in events/ that it can get, compare what each answers, and end
    #[arg(long)]
    check: bool,
    /// Port for `cargo lambda invoke`; 0 takes a free one
    #[arg(long, default_value_t = 9000)]
    port: u16,
}

impl Options {
    pub(crate) fn run(self, workspace: &Workspace) -> Result<(), Error> {
        // A check is alone on its port, and nobody changes the code beneath it.
        let mut session = Session::start(workspace, if self.check { 0 } else { self.port }, !self.check)?;
        let world = World::new(&session.ivs);
        world.populate()?;
        session.put_rules(world::RULES)?;
        if self.check {
            return check::check(workspace, &mut session, &world);
        }
        println!("{}", session.welcome(&workspace.functions));
        session.wait()
    }
}
