//! What is ordered for all stages, in the table.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use controller::{HistoryLine, Operator, Order, StoreError};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use replication::{Control, Pause};

use super::{DynamoStore, Item, decode, text};
use crate::item::{ANY_STAGE, ActivityItem, ControlItem, CountItem, Unreadable};

/// How often a lost race for the orders is run again.
const MAX_CONFLICTS: u32 = 5;

impl DynamoStore {
    async fn read_control(&self) -> Result<(Control, u64), StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(ANY_STAGE.to_owned()))
            .expression_attribute_values(":first", AttributeValue::S(ControlItem::SK.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(CountItem::SK.to_owned()));
        let (mut control, mut version) = (Control::default(), 0);
        for item in self.queried(query).await? {
            version = version.max(stored_version(&item));
            take_control(&mut control, item)?;
        }
        Ok((control, version))
    }

    async fn change_control(
        &self,
        change: impl Fn(&mut Control),
        line: HistoryLine,
    ) -> Result<(), StoreError> {
        let line = self.put(&ActivityItem::from(&line), None)?;
        for _ in 0..MAX_CONFLICTS {
            let (mut control, version) = self.read_control().await?;
            change(&mut control);
            let put = self.put(&ControlItem::next(&control, version), Some(version))?;
            let puts = [put, line.clone()].map(|put| TransactWriteItem::builder().put(put).build());
            match self.transact(puts.to_vec()).await {
                Err(StoreError::Conflict) => {}
                other => return other,
            }
        }
        Err(StoreError::Conflict)
    }
}

/// Reads an item that is no rule into `control`. One that cannot be read is an error, unlike a rule: without knowing whether there
/// is a pause, nothing may be started or stopped.
pub(super) fn take_control(control: &mut Control, item: Item) -> Result<(), StoreError> {
    let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
    let taken = match sk.as_str() {
        ControlItem::SK => decode::<ControlItem>(item).and_then(|item| item.read_into(control)),
        CountItem::SK => decode::<CountItem>(item).and_then(|item| item.read_into(control)),
        _ => Ok(()),
    };
    taken.map_err(|error: Unreadable| error.of(&pk, &sk))
}

fn stored_version(item: &Item) -> u64 {
    let version = item.get("version").and_then(|value| value.as_n().ok());
    version.and_then(|version| version.parse().ok()).unwrap_or(0)
}

impl Operator for DynamoStore {
    fn control(&self) -> BoxFuture<'_, Result<Control, StoreError>> {
        async { Ok(self.read_control().await?.0) }.boxed()
    }

    fn pause<'a>(&'a self, pause: &'a Pause) -> BoxFuture<'a, Result<(), StoreError>> {
        let line = Order::of_pause(pause).line("Pause", "ok".to_owned());
        self.change_control(|control| control.pause = Some(pause.clone()), line).boxed()
    }

    fn resume<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<(), StoreError>> {
        self.change_control(|control| control.pause = None, order.line("Resume", "ok".to_owned())).boxed()
    }

    fn release_brake<'a>(
        &'a self,
        until: Timestamp,
        order: &'a Order,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let line = order.line("ReleaseBrake", format!("ok, until {until}"));
        self.change_control(move |control| control.brake_released_until = Some(until), line).boxed()
    }
}
