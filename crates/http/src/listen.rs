//! Serves a router on a bound listener until told to stop.

use std::future::IntoFuture;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Larger request bodies are refused: no schema or script needs more.
const BODY_BYTES_MAX: usize = 8 << 20;
/// How long a stop waits for requests under way; idle connections are cut then.
const DRAIN_MAX: Duration = Duration::from_millis(500);

/// A server under way.
pub struct Serving {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Takes no more connections and waits briefly for requests under way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let mut task = self.task;
        if tokio::time::timeout(DRAIN_MAX, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// Serves `router` on `listener`.
pub fn serve(listener: TcpListener, router: Router) -> Serving {
    let (stop, mut stopped) = watch::channel(false);
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY could not be set: {error}");
        }
    });
    let router = router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        // An error means that the handle is gone, which is a stop as well.
        let _stopped = stopped.wait_for(|stop| *stop).await.is_ok();
    });
    let task = tokio::spawn(async move {
        if let Err(error) = server.into_future().await {
            tracing::error!("an HTTP listener ended: {error}");
        }
    });
    Serving { stop, task }
}
