//! A ShoalJob: one submission to the head of its cluster.

mod decide;
mod status;
mod submission;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use self::decide::{Facts, Step, decide};
use crate::changes::{Change, Reference};
use crate::context::Context;
use crate::resources::{Kind, ShoalCluster, ShoalJob};
use crate::trouble::Trouble;

/// Takes the one next step that brings the job further, and says in the status how far it is.
pub(crate) async fn reconcile(job: Arc<ShoalJob>, context: Arc<Context>) -> Result<Action, Trouble> {
    let namespace = job.namespace().unwrap_or_default();
    let clusters = context.clusters.state_filter(|cluster| cluster.metadata.namespace.as_deref() == Some(&namespace));
    let place = decide::place_of(&job, &clusters);
    let submission = submission::of(&job);
    let head = match &place {
        Ok(name) => context.heads.look(&namespace, name, submission.uid, &*job),
        Err(_) => None,
    };
    let facts = Facts { job: job.clone(), clusters, place, submission: submission.clone(), head };
    let decision = decide(&facts, Timestamp::now());
    if let Some(status) = &decision.status {
        context.say(&*job, status).await?;
    }
    let Ok(cluster) = &facts.place else { return Ok(again(decision.again_after)) };
    let head = || context.heads.client(&namespace, cluster);
    let told = match decision.step {
        Step::Wait => return Ok(again(decision.again_after)),
        Step::Change(change) => return context.carry_out(&*job, vec![change]).await.map(|()| again(decision.again_after)),
        Step::Submit => head()?.submit(submission.uid, submission::document(&job)).await,
        Step::Adjust(adjust) => head()?.change(submission.uid, adjust).await,
        Step::Cancel => head()?.cancel(submission.uid).await,
    };
    match told {
        // The head's own word of it wakes this again.
        Ok(state) => context.heads.heard(&namespace, cluster, state),
        Err(failure) if decide::is_final(&failure) => {
            context.say(&*job, &status::refused(&job, &failure, Timestamp::now())).await?;
            return Ok(Action::await_change());
        }
        Err(failure) => return Err(Trouble::Head(failure)),
    }
    Ok(Action::requeue(Duration::ZERO))
}

fn again(after: Option<Duration>) -> Action {
    after.map_or_else(Action::await_change, Action::requeue)
}

/// Deletes a job's own cluster.
fn delete_cluster(cluster: &ShoalCluster) -> Change {
    Change::Delete(Reference::of(cluster))
}
