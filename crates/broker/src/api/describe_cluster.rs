//! DescribeCluster: the cluster's id and its one broker. How Java's Admin client starts.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::describe_cluster_request::DescribeClusterRequest;
use wire::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};

use super::{CLUSTER_OPERATIONS, Context};
use crate::Broker;
use crate::nodes::Node;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != BROKERS {
        let error = match request.endpoint_type {
            CONTROLLERS => ErrorCode::MismatchedEndpointType,
            _ => ErrorCode::UnsupportedEndpointType,
        };
        return DescribeClusterResponse {
            error_code: error.code(),
            error_message: Some("this listener has broker endpoints only".to_owned()),
            ..DescribeClusterResponse::default()
        };
    }
    let mut response = DescribeClusterResponse {
        cluster_id: broker.catalog.cluster_id().to_owned(),
        controller_id: broker.options.node_id,
        brokers: broker.nodes().map(described).collect(),
        ..DescribeClusterResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

fn described(node: Node) -> DescribeClusterBroker {
    DescribeClusterBroker {
        broker_id: node.id,
        host: node.host,
        port: node.port,
        ..DescribeClusterBroker::default()
    }
}
