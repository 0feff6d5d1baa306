//! Callers of a head that Kubernetes knows: who they are, and what they may do.
//!
//! The head asks with the caller's own token what every user may ask of himself: SelfSubjectReview and
//! SelfSubjectAccessReview. So it takes no right and no account of its own, where TokenReview and SubjectAccessReview would
//! take rights over the whole Kubernetes for every head of every namespace. The price: a token that is made for another
//! audience than the API server is refused.

mod answers;
mod decide;
mod server;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use shoal_core::{Failure, Reason};
use shoal_wire::Token;
use shoal_wire::callers::{Action, Authenticator};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use self::answers::{Answers, Key};
use self::decide::Ours;
use self::server::Server;

/// Time for the API server to answer, with the wait for others who ask: a caller waits for it.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Callers that are asked about at the same time. Whoever shows tokens that nobody knows has the API server asked each time:
/// it is to notice no more of that than of one busy client.
const ASKED_AT_ONCE: usize = 16;

/// Variables of every pod with the address of the API server.
const SERVER_HOST: &str = "KUBERNETES_SERVICE_HOST";
const SERVER_PORT: &str = "KUBERNETES_SERVICE_PORT";

/// Knows callers by asking the API server.
#[derive(Clone)]
pub struct KubernetesCallers(Arc<Inner>);

struct Inner {
    ours: Ours,
    server: Server,
    answers: Mutex<Answers>,
    asked: Semaphore,
    /// Where connections to the API server live: threads that serve requests come and go.
    runtime: Handle,
}

impl KubernetesCallers {
    /// Those who call a head of that ShoalCluster, which runs in a pod; `authority` is a file with the certificate of the API
    /// server's authority. Nothing is asked yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] outside a pod.
    pub fn new(namespace: String, cluster: String, authority: PathBuf) -> Result<Self, Failure> {
        let variable = |name: &str| {
            std::env::var(name).map_err(|_| {
                Failure::new(Reason::InvalidValue, format!("there is no {name}: this process is in no pod"))
                    .next("leave out `--kubernetes-callers`, which the operator sets for the heads that it makes")
            })
        };
        let server = Server::new(&variable(SERVER_HOST)?, &variable(SERVER_PORT)?, authority)?;
        Ok(Self(Arc::new(Inner {
            ours: Ours { namespace, cluster },
            server,
            answers: Mutex::default(),
            asked: Semaphore::new(ASKED_AT_ONCE),
            runtime: Handle::current(),
        })))
    }

    async fn look(&self, token: Token, action: Action) -> Result<(), Failure> {
        let key = Key::new(&token, action);
        if let Some(answer) = self.answers().find(&key, Instant::now()) {
            return answer;
        }
        let callers = self.clone();
        // Goes on for the next one who asks the same where this one does not wait.
        let asked = self.0.runtime.spawn(async move { callers.ask(key, &token, action).await });
        asked.await.unwrap_or_else(|error| Err(Failure::internal("a caller could not be looked up").because(&error)))
    }

    async fn ask(&self, key: Key, token: &Token, action: Action) -> Result<(), Failure> {
        let Inner { ours, server, asked, .. } = &*self.0;
        let answer = tokio::time::timeout(ANSWER_MAX, async {
            // It is never closed.
            let _turn = asked.acquire().await;
            server.ask(ours, token, action).await
        });
        let answer = match answer.await {
            Ok(Ok((who, may))) => decide::answer(ours, action, &who, &may),
            Ok(Err(error)) => Err(decide::refused(&error)),
            Err(_) => Err(decide::silent(&format!("it has not answered within {} s", ANSWER_MAX.as_secs()))),
        };
        match &answer {
            Ok(()) => tracing::debug!(?action, "a caller is let in"),
            Err(failure) => tracing::info!(?action, %failure, "a caller is not let in"),
        }
        self.answers().keep(key, &answer, Instant::now());
        answer
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.0.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authenticator for KubernetesCallers {
    fn admit<'a>(&'a self, header: Option<&'a str>, action: Action) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let token = Token::shown(header).map_err(|failure| decide::unknown(&self.0.ours, failure))?;
            self.look(token, action).await
        })
    }
}
