//! Rivulet's own API: status, and SQL scripts and statements. Commands and the project speak it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base::ErrorKind;
use flow::{Checked, Engine, FlowError, Phase, Statement};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the API shows and steers.
#[derive(Clone)]
pub struct ApiState {
    pub engine: Engine,
    /// Gives the status as it is now; the server knows what belongs in it.
    pub status: Arc<dyn Fn() -> Value + Send + Sync>,
}

/// The routes of the API.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/sql/scripts", post(script))
        .route("/api/v1/sql/statements", get(statements))
        .route("/api/v1/sql/statements/{name}", get(statement).delete(delete))
        .route("/api/v1/sql/statements/{name}/stop", post(stop))
        .route("/api/v1/sql/statements/{name}/resume", post(resume))
        .route("/api/v1/sql/statements/{name}/results", get(results))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .with_state(state)
}

/// An error answer: `{"error": {"kind", "message", "problems": [...]}}`.
struct Failure {
    status: StatusCode,
    body: Value,
}

impl Failure {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Failure {
        let status = StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Failure {
            status,
            body: json!({"error": {"kind": word_of(kind), "message": message.into()}}),
        }
    }

    /// An error of the engine, with each SQL mistake in full.
    fn of(error: &FlowError, source: &str) -> Failure {
        let mut failure = Failure::new(error.kind(), error.render(source));
        if let FlowError::Sql(mistakes) = error {
            let problem = |mistake: &sql::SqlError| {
                json!({
                    "line": mistake.line, "column": mistake.column, "token": mistake.token,
                    "message": mistake.message, "hint": mistake.hint,
                })
            };
            failure.body["error"]["problems"] = mistakes.iter().map(problem).collect();
        }
        failure
    }
}

impl From<FlowError> for Failure {
    fn from(error: FlowError) -> Failure {
        Failure::of(&error, "")
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

fn word_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "invalid",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Denied => "denied",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Data => "data",
        ErrorKind::Internal => "internal",
    }
}

async fn not_found() -> Failure {
    Failure::new(
        ErrorKind::NotFound,
        "there is no such path; the API begins at `/api/v1/status`",
    )
}

async fn wrong_method() -> Failure {
    Failure {
        status: StatusCode::METHOD_NOT_ALLOWED,
        body: json!({"error": {"kind": "invalid", "message": "this path does not take this method"}}),
    }
}

async fn status(State(state): State<ApiState>) -> Json<Value> {
    Json((state.status)())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptBody {
    /// Begins the names of the statements that the script makes.
    name: String,
    script: String,
    #[serde(default)]
    properties: BTreeMap<String, String>,
    /// Plan everything, do nothing.
    #[serde(default)]
    check: bool,
}

async fn script(State(state): State<ApiState>, body: Result<Bytes, BytesRejection>) -> Result<Json<Value>, Failure> {
    let bytes = body.map_err(|rejection| Failure::new(ErrorKind::Invalid, rejection.body_text()))?;
    let body: ScriptBody = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(
            ErrorKind::Invalid,
            format!("the request body is not as expected: {error}"),
        )
    })?;
    if body.check {
        let checked = state.engine.check_script(&body.script, &body.properties).await;
        let checked = checked.map_err(|error| Failure::of(&error, &body.script))?;
        let shown: Vec<Value> = checked.iter().map(show_checked).collect();
        return Ok(Json(json!({"checked": shown})));
    }
    let made = state
        .engine
        .apply_script(&body.name, &body.script, &body.properties)
        .await;
    let made = made.map_err(|error| Failure::of(&error, &body.script))?;
    let shown: Vec<Value> = made.iter().map(show).collect();
    Ok(Json(json!({"statements": shown})))
}

fn show_checked(checked: &Checked) -> Value {
    json!({"kind": checked.kind, "line": checked.line, "plan": checked.plan, "warnings": checked.warnings})
}

fn show(statement: &Statement) -> Value {
    let column = |column: &flow::ResultColumn| json!({"name": column.name, "type": column.ty.to_string()});
    let columns = statement
        .columns
        .as_ref()
        .map(|columns| columns.iter().map(column).collect::<Vec<_>>());
    let position = |position: &client::Position| json!({"topic": &*position.topic, "partition": position.partition, "offset": position.offset});
    let counters = statement.counters;
    json!({
        "name": statement.name,
        "uid": statement.uid,
        "kind": statement.kind,
        "phase": statement.phase.as_str(),
        "detail": statement.detail,
        "statement": statement.text,
        "properties": statement.properties,
        "created_at_ms": statement.created_at,
        "updated_at_ms": statement.updated_at,
        "columns": columns,
        "warnings": statement.warnings,
        "counters": {
            "records_in": counters.records_in,
            "records_out": counters.records_out,
            "records_skipped": counters.records_skipped,
            "records_dead_lettered": counters.records_dead_lettered,
        },
        "latest_offsets": statement.latest_offsets.iter().map(position).collect::<Vec<_>>(),
        "is_running": statement.phase == Phase::Running,
    })
}

async fn statements(State(state): State<ApiState>) -> Json<Value> {
    let shown: Vec<Value> = state.engine.list().await.iter().map(show).collect();
    Json(json!({"statements": shown}))
}

async fn statement(State(state): State<ApiState>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    Ok(Json(show(&state.engine.get(&name).await?)))
}

async fn stop(State(state): State<ApiState>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    Ok(Json(show(&state.engine.stop(&name).await?)))
}

async fn resume(State(state): State<ApiState>, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    Ok(Json(show(&state.engine.resume(&name).await?)))
}

async fn delete(State(state): State<ApiState>, Path(name): Path<String>) -> Result<StatusCode, Failure> {
    state.engine.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct ResultsQuery {
    token: Option<String>,
}

async fn results(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    Query(query): Query<ResultsQuery>,
) -> Result<Json<Value>, Failure> {
    let page = state.engine.results(&name, query.token.as_deref()).await?;
    let columns = state.engine.get(&name).await?.columns.unwrap_or_default();
    let cell = |(value, column): (&sql::Value, &flow::ResultColumn)| {
        sql::to_json(value, &column.ty.kind, &jiff::tz::TimeZone::UTC)
    };
    let row = |row: &Vec<sql::Value>| row.iter().zip(&columns).map(cell).collect::<Vec<_>>();
    let rows: Vec<Vec<Value>> = page.rows.iter().map(row).collect();
    Ok(Json(json!({"rows": rows, "next": page.next})))
}
