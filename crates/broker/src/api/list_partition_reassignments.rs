//! ListPartitionReassignments: none is ever under way, for each is done at once.

use std::sync::Arc;

use wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use wire::messages::list_partition_reassignments_response::ListPartitionReassignmentsResponse;

use super::Context;
use crate::Broker;

pub(crate) async fn handle(
    _: Arc<Broker>,
    _: Context,
    _: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse {
        error_message: None,
        ..ListPartitionReassignmentsResponse::default()
    }
}
