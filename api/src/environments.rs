//! Environments that one worker has built and packed, for the others: which file they are in.

use actix_web::web::{Bytes, Data, Path};
use actix_web::{Error, HttpResponse, get, put};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shoal_coordinator::Head;
use shoal_core::blobs::{Digest, File, check_size};
use shoal_core::{Failure, Reason};

use crate::refusal::Refusal;

/// What a failure calls what came in.
const BODY: &str = "request body";

/// A packed environment: a file that was uploaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackedEnvironment {
    /// `sha256:` and the SHA-256 of its content in hexadecimal.
    pub digest: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// Tells which file a packed environment is in.
#[utoipa::path(
    tag = "cluster",
    operation_id = "findEnvironment",
    params(("name" = String, Path, description = "`sha256:` and the SHA-256 of all that it is made of in hexadecimal")),
    responses(
        (status = 200, description = "It is packed", body = ref("#/components/schemas/PackedEnvironment")),
        (status = 404, description = "It is not", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[get("/api/v1/environments/{name}")]
pub(crate) async fn find_environment(head: Data<Head>, name: Path<String>) -> Result<HttpResponse, Refusal> {
    let name = Digest::parse(&name)?;
    let Some(File { path: _, digest, bytes }) = head.shared_file(&name).await? else {
        let failure = Failure::new(Reason::FileNotUploaded, format!("no environment is packed under {name}"));
        return Ok(HttpResponse::NotFound().json(failure));
    };
    Ok(HttpResponse::Ok().json(PackedEnvironment { digest: digest.to_string(), bytes }))
}

/// Tells the head in which file an environment is packed, which was uploaded before.
#[utoipa::path(
    tag = "cluster",
    operation_id = "shareEnvironment",
    params(("name" = String, Path, description = "`sha256:` and the SHA-256 of all that it is made of in hexadecimal")),
    request_body(content((ref("#/components/schemas/PackedEnvironment") = "application/json"))),
    responses(
        (status = 204, description = "Other workers take it from there"),
        (status = 409, description = "The cluster has no storage", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[put("/api/v1/environments/{name}")]
pub(crate) async fn share_environment(
    head: Data<Head>,
    name: Path<String>,
    body: Result<Bytes, Error>,
) -> Result<HttpResponse, Refusal> {
    let name = Digest::parse(&name)?;
    let body = body.map_err(|error| wrong(&error))?;
    let PackedEnvironment { digest, bytes } = serde_json::from_slice(&body).map_err(|error| wrong(&error))?;
    check_size(bytes)?;
    head.share_file(&name, &File { path: name.hex().to_owned(), digest: Digest::parse(&digest)?, bytes }).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn wrong(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Reason::MalformedDocument, "this does not say where an environment is packed")
        .because(error)
        .file(BODY)
        .next(r#"send JSON as {"digest": "sha256:...", "bytes": 1}"#)
}
