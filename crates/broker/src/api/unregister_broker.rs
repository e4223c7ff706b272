//! UnregisterBroker: takes a broker off the list that is gone. Ours are this process, so they are there as long as
//! anybody can ask.

use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::unregister_broker_request::UnregisterBrokerRequest;
use wire::messages::unregister_broker_response::UnregisterBrokerResponse;

use super::Context;
use crate::Broker;

pub(crate) async fn handle(
    broker: Arc<Broker>,
    _: Context,
    request: UnregisterBrokerRequest,
) -> UnregisterBrokerResponse {
    let id = request.broker_id;
    let (error, why) = if broker.has_node(id) {
        let why = format!("Broker ID {id} is this running process, which serves on; stop it instead");
        (ErrorCode::InvalidRequest, why)
    } else {
        let why = format!("Broker ID {id} is not currently registered");
        (ErrorCode::BrokerIdNotRegistered, why)
    };
    UnregisterBrokerResponse {
        error_code: error.code(),
        error_message: Some(why),
        ..UnregisterBrokerResponse::default()
    }
}
