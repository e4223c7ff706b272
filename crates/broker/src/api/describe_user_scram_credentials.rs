//! DescribeUserScramCredentials: nobody has any, because a client cannot authenticate yet, and none can be stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::ErrorCode;
use wire::messages::describe_user_scram_credentials_request::DescribeUserScramCredentialsRequest;
use wire::messages::describe_user_scram_credentials_response::{
    DescribeUserScramCredentialsResponse, DescribeUserScramCredentialsResult,
};

use super::Context;
use crate::Broker;

pub(crate) async fn handle(
    _: Arc<Broker>,
    _: Context,
    request: DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for user in request.users.into_iter().flatten() {
        *asked.entry(user.name).or_default() += 1;
    }
    DescribeUserScramCredentialsResponse {
        results: asked.into_iter().map(|(user, times)| absent(user, times)).collect(),
        ..DescribeUserScramCredentialsResponse::default()
    }
}

fn absent(user: String, times: usize) -> DescribeUserScramCredentialsResult {
    let (error, why) = match times {
        1 => (
            ErrorCode::ResourceNotFound,
            "Attempt to describe a user credential that does not exist",
        ),
        _ => (
            ErrorCode::DuplicateResource,
            "Cannot describe SCRAM credentials for the same user twice in a single request",
        ),
    };
    DescribeUserScramCredentialsResult {
        error_code: error.code(),
        error_message: Some(format!("{why}: {user}")),
        user,
        ..DescribeUserScramCredentialsResult::default()
    }
}
