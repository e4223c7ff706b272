//! DeleteGroups: groups that nobody is in go, with their offsets.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::delete_groups_request::DeleteGroupsRequest;
use wire::messages::delete_groups_response::{DeletableGroupResult, DeleteGroupsResponse};

use super::Context;
use crate::Broker;

pub(crate) async fn handle(broker: Arc<Broker>, _: Context, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let error = broker
            .coordinator
            .delete(&group_id)
            .await
            .err()
            .unwrap_or(ErrorCode::None);
        if error.is_none() {
            broker.transactions.forget_group(&group_id).await;
        }
        if error.is_none() {
            broker.shares.forget_group(&group_id);
        }
        results.push(DeletableGroupResult {
            group_id,
            error_code: error.code(),
        });
    }
    DeleteGroupsResponse {
        results,
        ..DeleteGroupsResponse::default()
    }
}
