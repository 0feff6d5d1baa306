//! A ShoalJob: one submission to the head of its cluster.

mod archive;
mod code;
mod decide;
mod status;
mod submission;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

pub(crate) use self::decide::may_run_on;
use self::decide::{Facts, Step, decide};
use crate::context::Context;
use crate::names;
use crate::resources::{Kind, ShoalJob};
use crate::trouble::Trouble;

/// How often it is looked for a ConfigMap that is not there yet: they are not watched, as clusters have thousands.
const CODE_LOOK: Duration = Duration::from_secs(5);

/// Takes the one next step that brings the job further, and says in the status how far it is.
pub(crate) async fn reconcile(job: Arc<ShoalJob>, context: Arc<Context>) -> Result<Action, Trouble> {
    let namespace = job.namespace().unwrap_or_default();
    let facts = gather(&job, &context, &namespace);
    let decision = decide(&facts, Timestamp::now());
    if let Some(status) = &decision.status {
        context.say(&*job, status).await?;
    }
    let again = decision.again_after.map_or_else(Action::await_change, Action::requeue);
    let Ok(cluster) = &facts.place else { return Ok(again) };
    let uid = facts.submission.uid;
    let head = || context.heads.client(&namespace, cluster);
    let is_adjusted = matches!(decision.step, Step::Adjust(_));
    let told = match decision.step {
        Step::Wait => return Ok(again),
        Step::Change(change) => return context.carry_out(&*job, vec![change]).await.map(|()| again),
        Step::Submit => {
            let storage = archive::storage(&facts.clusters, cluster);
            let mut document = submission::document(&job, storage);
            if let Err(missing) = code::put_in(&mut document, &context.client, &namespace).await? {
                context.say(&*job, &status::without_code(&job, &missing, Timestamp::now())).await?;
                return Ok(Action::requeue(CODE_LOOK));
            }
            head()?.submit(uid, document).await
        }
        Step::Adjust(adjust) => head()?.change(uid, adjust).await,
        Step::Cancel => head()?.cancel(uid).await,
    };
    match told {
        Ok(answer) => {
            let before = facts.head.as_ref().and_then(|head| head.state.as_ref());
            let state = context.heads.heard(&namespace, cluster, before, answer);
            if is_adjusted {
                let status = status::told(
                    &job,
                    cluster,
                    &state,
                    &decide::workers(&facts),
                    job.metadata.generation,
                    Timestamp::now(),
                );
                context.say(&*job, &status).await?;
            }
            Ok(Action::requeue(Duration::ZERO))
        }
        Err(failure) if decide::is_final(&failure) => {
            context.say(&*job, &status::refused(&job, &failure, Timestamp::now())).await?;
            Ok(Action::await_change())
        }
        Err(failure) => {
            context.say(&*job, &status::unheard_of(&job, &failure, Timestamp::now())).await?;
            Err(Trouble::Head(failure))
        }
    }
}

fn gather(job: &Arc<ShoalJob>, context: &Context, namespace: &str) -> Facts {
    let clusters = context.clusters.state_filter(|cluster| cluster.metadata.namespace.as_deref() == Some(namespace));
    let place = decide::place_of(job, &clusters);
    let submission = submission::of(job);
    let head = match &place {
        Ok(name) if decide::concerns_head(job) || archive::is_awaited(job, &clusters, name) => {
            context.heads.look(namespace, name, submission.uid, job)
        }
        Ok(name) => {
            context.heads.look_no_more(namespace, name, submission.uid);
            None
        }
        Err(_) => None,
    };
    let of_cluster = |name: &String| {
        let beginning = names::beginning_of_children(name);
        let mut groups = context.groups.beginning_with(namespace, &beginning, Instant::now());
        groups.retain(|group| group.raw_spec()["clusterName"].as_str() == Some(name));
        groups
    };
    let groups = place.as_ref().map(of_cluster).unwrap_or_default();
    Facts { job: job.clone(), clusters, groups, place, submission, head }
}
