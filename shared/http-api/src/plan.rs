//! What other rules would do.

use aws_adapters::DynamoStore;
use controller::sweep::port::SweepStore;
use replication::forecast::Terms;
use rules_file::rules_from_json;

use crate::Settings;
use crate::answer::Answer;
use crate::problem::Problem;
use crate::request::Call;

/// Forecasts what the rules of the body would do in the place of all present ones, those of versus sessions aside. It changes
/// nothing, and reads the whole table but its history: one Scan.
pub(crate) async fn plan(call: &Call, store: &DynamoStore, settings: &Settings) -> Result<Answer, Problem> {
    let rules = rules_from_json(&call.body())?;
    let inventory = store.inventory().await?;
    let terms = Terms { now: call.now, policy: &settings.policy, share_percent: settings.share_percent };
    let forecast = replication::forecast(&inventory, &rules, terms);
    Ok(Answer::of(200, &views::Forecast::from(&forecast)))
}
