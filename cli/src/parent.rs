//! The process that started this one: when it is gone, however it ended, the pipe that is this one's stdin is closed.

use std::io::Read;

use tokio::sync::oneshot;

/// Fires when stdin is closed, which is when the process that holds its other end is gone. A thread, because reading
/// stdin cannot be given up.
pub(crate) fn stdin_closed() -> oneshot::Receiver<()> {
    let (closed, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        let mut stdin = std::io::stdin().lock();
        while !matches!(stdin.read(&mut buffer), Ok(0) | Err(_)) {}
        let _ = closed.send(());
    });
    receiver
}

/// Waits until the one that is told of is gone; for ever where nobody is watched.
pub(crate) async fn gone(parent: Option<oneshot::Receiver<()>>) {
    match parent {
        Some(closed) => drop(closed.await),
        None => std::future::pending().await,
    }
}
