//! One rule by its id.

use aws_sdk_dynamodb::types::AttributeValue;
use controller::StoreError;
use replication::{Rule, RuleId, Source};

use super::{DynamoStore, readable, text};
use crate::item::{ANY_STAGE, HistoryItem, RuleItem, history_pk, stage_pk};

impl DynamoStore {
    /// The rule of this id, if there is one. It lies with its source, which the rule's history tells: two Queries. A Scan, if it has
    /// no history, or is not there.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read or the rule is not as it must be.
    pub async fn rule(&self, id: &RuleId) -> Result<Option<Rule>, StoreError> {
        if let Some(source) = self.last_source(id).await?
            && let Some(rule) = self.rule_of(&source, id).await?
        {
            return Ok(Some(rule));
        }
        let sk = format!("RULE#{id}");
        let items = self.scan_items(&sk).await?.into_iter();
        // Ids may begin with others.
        let item = items.into_iter().find(|item| text(item, "sk") == sk);
        item.map(|item| readable(item, |item: RuleItem| item.read())).transpose()
    }

    /// The source that the rule had at its last revision.
    async fn last_source(&self, id: &RuleId) -> Result<Option<Source>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(history_pk(id)))
            .expression_attribute_values(":sk", AttributeValue::S(HistoryItem::SK.to_owned()))
            .scan_index_forward(false)
            .limit(1);
        let page = query.send().await.map_err(|error| super::read_error(&self.table, &error))?;
        let revision = page.items.unwrap_or_default().pop();
        // One that cannot be read says nothing; the Scan does.
        let revision = revision.and_then(|item| readable(item, |item: HistoryItem| item.read()).ok());
        Ok(revision.and_then(|revision| revision.rule).map(|rule| rule.source))
    }

    async fn rule_of(&self, source: &Source, id: &RuleId) -> Result<Option<Rule>, StoreError> {
        let pk = match source {
            Source::Stage(stage) => stage_pk(stage),
            Source::Any | Source::Tags(_) => ANY_STAGE.to_owned(),
        };
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk = :sk")
            .expression_attribute_values(":pk", AttributeValue::S(pk))
            .expression_attribute_values(":sk", AttributeValue::S(format!("RULE#{id}")));
        let item = self.queried(query).await?.pop();
        item.map(|item| readable(item, |item: RuleItem| item.read())).transpose()
    }
}
