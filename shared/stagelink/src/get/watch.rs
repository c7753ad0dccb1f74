//! A list that goes on.

use std::time::Duration;

use replication::plain;

use super::{Get, Seen};
use crate::screen::Screen;
use crate::{Deployment, Error};

/// Puts the cursor to the top left, and clears what is behind it.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Looks again and again. At a terminal the list is drawn anew; elsewhere it is written again when more of it changed than ages.
/// It ends with the process, or with an error that waiting does not help.
pub(super) async fn watch(
    get: &Get,
    deployment: &Deployment,
    interval: Duration,
    screen: &mut Screen<'_>,
) -> Result<bool, Error> {
    let begun = (deployment.now)();
    let mut last: Option<String> = None;
    loop {
        match get.look(deployment).await {
            Ok(seen) => {
                let terminal = screen.terminal;
                let printed = |seen: &Seen| {
                    let (mut output, mut nothing) = (Vec::new(), std::io::empty());
                    get.print(seen, &mut Screen { output: &mut output, input: &mut nothing, terminal })?;
                    Ok::<_, Error>(String::from_utf8_lossy(&output).into_owned())
                };
                let (ageless, fresh) = (printed(&seen.at(begun))?, printed(&seen)?);
                let changed = last.as_ref() != Some(&ageless);
                if screen.terminal.redraws && !get.output.is_document() {
                    write!(screen.output, "{CLEAR}{fresh}")?;
                    screen.line(format_args!(
                        "\n{}; every {} s, until Ctrl-C",
                        (deployment.now)(),
                        interval.as_secs()
                    ))?;
                } else if changed {
                    if last.is_some() && !get.output.is_document() {
                        screen.line("")?;
                    }
                    screen.output.write_all(fresh.as_bytes())?;
                }
                screen.output.flush()?;
                last = Some(ageless);
            }
            // What passes is waited for; the last list stands meanwhile.
            Err(error) if error.passes() => {
                eprintln!("not looked at: {}", plain(&controller::with_causes(&error)))
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(interval).await;
    }
}
