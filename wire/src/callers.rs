//! Who may ask a head over REST, and for what.

use futures::future::BoxFuture;
use shoal_core::Failure;

use crate::token::Token;

/// What a request does, in the words of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Action {
    /// What it does.
    pub verb: Verb,
    /// With what.
    pub resource: Resource,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// One is looked at.
    Get,
    /// All are looked at.
    List,
    /// One is made.
    Create,
    /// One is changed.
    Patch,
    /// One is ended.
    Delete,
}

/// What something is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Jobs.
    Jobs,
    /// The cluster itself: its workers, its metrics.
    Cluster,
}

impl Verb {
    /// As Kubernetes writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

impl Resource {
    /// As Kubernetes writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jobs => "shoaljobs",
            Self::Cluster => "shoalclusters",
        }
    }
}

/// Knows callers, and what they may do.
pub trait Authenticator: Send + Sync {
    /// Lets a request pass that does this and has that value in its `authorization` header.
    ///
    /// # Errors
    /// [`Reason::Unauthorized`] for a caller who is not known, [`Reason::Forbidden`] for one who may not do this, and a
    /// transient failure where nobody can say so at the moment: nobody is let in on a guess.
    ///
    /// [`Reason::Unauthorized`]: shoal_core::Reason::Unauthorized
    /// [`Reason::Forbidden`]: shoal_core::Reason::Forbidden
    fn admit<'a>(&'a self, header: Option<&'a str>, action: Action) -> BoxFuture<'a, Result<(), Failure>>;
}

/// Whoever shows the cluster's token is one of its processes, or as good as one: nothing is refused.
impl Authenticator for Token {
    fn admit<'a>(&'a self, header: Option<&'a str>, _: Action) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(self.check_header(header)))
    }
}
