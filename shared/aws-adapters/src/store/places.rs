//! The places at destinations: sets of occupants in the table, changed one by one without being read.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use controller::StoreError;
use jiff::{SignedDuration, Timestamp};
use replication::occupancy::PLACES;
use replication::{PlaceChange, PlaceKind, Replica, StageArn};
use tracing::warn;

use super::{DynamoStore, decode, text};
use crate::item::{OccupancyItem, ReplicaItem, SCHEMA, stage_pk};

/// The index of replications by their destination and phase.
pub(super) const BY_DESTINATION: &str = "by_destination";

/// How long an item stays that nobody changes: longer than a participant can publish (24 h, IVS service quotas).
const RETENTION: SignedDuration = SignedDuration::from_hours(48);

impl DynamoStore {
    /// Adds an occupant to its destination's set, or takes it away. Where a place has to be free for it, that is the condition.
    pub(super) fn change_place(&self, place: &PlaceChange, now: Timestamp) -> Result<Update, StoreError> {
        let verb = if place.kind == PlaceKind::Leave { "DELETE" } else { "ADD" };
        let set = "SET #schema = :schema, #stage = :stage, expires_at = :expires_at";
        let occupant = place.occupant.to_string();
        let mut update = Update::builder()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(stage_pk(&place.stage)))
            .key("sk", AttributeValue::S(OccupancyItem::SK.to_owned()))
            .update_expression(format!("{verb} occupants :occupants {set}"))
            .expression_attribute_names("#schema", "schema")
            .expression_attribute_names("#stage", "stage")
            .expression_attribute_values(":schema", AttributeValue::N(SCHEMA.to_string()))
            .expression_attribute_values(":stage", AttributeValue::S(place.stage.to_string()))
            .expression_attribute_values(
                ":expires_at",
                AttributeValue::N((now + RETENTION).as_second().to_string()),
            )
            .expression_attribute_values(":occupants", AttributeValue::Ss(vec![occupant.clone()]));
        if place.kind == PlaceKind::TakeIfFree {
            update = update
                .condition_expression(
                    "attribute_not_exists(occupants) OR size(occupants) < :places OR contains(occupants, :occupant)",
                )
                .expression_attribute_values(":places", AttributeValue::N(PLACES.to_string()))
                .expression_attribute_values(":occupant", AttributeValue::S(occupant));
        }
        update.build().map_err(|error| self.not_writable(&error))
    }

    pub(super) async fn query_replicas_to(
        &self,
        destination: &StageArn,
        phase: &str,
    ) -> Result<Vec<Replica>, StoreError> {
        let query = self
            .client
            .query()
            .index_name(BY_DESTINATION)
            .key_condition_expression("destination = :destination AND phase = :phase")
            .expression_attribute_values(":destination", AttributeValue::S(destination.to_string()))
            .expression_attribute_values(":phase", AttributeValue::S(phase.to_owned()));
        let mut replicas = Vec::new();
        for item in self.paged(query).await? {
            let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
            // One that cannot be read must not keep the others waiting.
            match decode::<ReplicaItem>(item).and_then(|item| item.read()) {
                Ok(replica) => replicas.push(replica),
                Err(error) => warn!(error = %error.of(&pk, &sk), "replication left out"),
            }
        }
        Ok(replicas)
    }
}

/// The destination whose place this write asks for, if that is what it does.
pub(super) fn destination(write: &TransactWriteItem) -> Option<StageArn> {
    let update = write.update()?;
    update.expression_attribute_values()?.get(":stage")?.as_s().ok()?.parse().ok()
}
