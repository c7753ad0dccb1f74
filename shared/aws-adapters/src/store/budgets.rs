//! The call budgets in the table.

use aws_sdk_dynamodb::types::{AttributeValue, Put};
use controller::{BudgetWrite, StoreError};
use jiff::Timestamp;
use replication::budget::Book;

use super::{DynamoStore, decode, text};
use crate::item::{BUDGETS, BudgetItem};

impl DynamoStore {
    pub(super) async fn read_budgets(&self) -> Result<Book, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(BUDGETS.to_owned()));
        let mut book = Book::new();
        for item in self.queried(query).await? {
            let (pk, sk) = (text(&item, "pk"), text(&item, "sk"));
            let budget = decode::<BudgetItem>(item).and_then(|item| item.read());
            book.extend(budget.map_err(|error| error.of(&pk, &sk))?);
        }
        Ok(book)
    }

    /// Written if it is as it was read, or if nobody called for so long that what was missed does not matter.
    pub(super) fn put_budget(&self, write: &BudgetWrite, now: Timestamp) -> Result<Put, StoreError> {
        let put = self.put(&BudgetItem::from(write), None)?;
        let condition = "attribute_not_exists(pk) OR version = :version OR busy_until < :now";
        let mut put = put;
        put.condition_expression = Some(condition.to_owned());
        put.expression_attribute_values = Some(
            [
                (":version".to_owned(), AttributeValue::N(write.expected.to_string())),
                (":now".to_owned(), AttributeValue::S(format!("{now:.9}"))),
            ]
            .into(),
        );
        Ok(put)
    }
}
