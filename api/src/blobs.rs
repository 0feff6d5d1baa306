//! Files that jobs bring along: asked for, uploaded, given out.

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Json, Path, Payload};
use actix_web::{Error, HttpRequest, HttpResponse, get, post, put};
use futures::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shoal_coordinator::Head;
use shoal_core::blobs::{Digest, check_size, not_uploaded};
use shoal_core::limits::UPLOADS_MAX;
use shoal_core::{Failure, Reason};

use crate::refusal::Refusal;

/// What a failure calls what came in.
const BODY: &str = "request body";

/// Files, each by its hash: `sha256:` and 64 hexadecimal letters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlobQuery {
    /// At most 1024 of them.
    #[schemars(length(max = 1024))]
    pub digests: Vec<String>,
}

/// Which of the files that were asked for are to be uploaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MissingBlobs {
    /// Their hashes.
    pub missing: Vec<String>,
}

/// Asks which files are to be uploaded before a job is submitted that names them.
#[utoipa::path(
    tag = "jobs",
    operation_id = "findMissingBlobs",
    request_body(content((ref("#/components/schemas/BlobQuery") = "application/json"))),
    responses(
        (status = 200, description = "Those that the head has not", body = ref("#/components/schemas/MissingBlobs")),
        (status = 422, description = "One is no hash", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[post("/api/v1/blobs/missing")]
pub(crate) async fn find_missing_blobs(
    head: Data<Head>,
    body: Result<Bytes, Error>,
) -> Result<Json<MissingBlobs>, Refusal> {
    let body = body.map_err(|error| wrong_query(&error))?;
    let BlobQuery { digests } = serde_json::from_slice(&body).map_err(|error| wrong_query(&error))?;
    if digests.len() > UPLOADS_MAX {
        let message = format!("{} files are too many to ask for: {UPLOADS_MAX} are possible", digests.len());
        return Err(Failure::new(Reason::InvalidValue, message).file(BODY).into());
    }
    let digests = digests.iter().map(|digest| Digest::parse(digest)).collect::<Result<Vec<_>, _>>()?;
    let missing = head.missing_blobs(digests).await?;
    Ok(Json(MissingBlobs { missing: missing.iter().map(Digest::to_string).collect() }))
}

/// Uploads a file.
///
/// Answers once it is kept. What is there already is replaced by the same.
#[utoipa::path(
    tag = "jobs",
    operation_id = "uploadBlob",
    params(("digest" = String, Path, description = "`sha256:` and the SHA-256 of the content in hexadecimal")),
    request_body(content = String, content_type = "application/octet-stream"),
    responses(
        (status = 204, description = "It is kept, until no job has named it for 35 days"),
        (status = 422, description = "The content is another one, or too large", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[put("/api/v1/blobs/{digest}")]
pub(crate) async fn upload_blob(
    head: Data<Head>,
    digest: Path<String>,
    request: HttpRequest,
    mut body: Payload,
) -> Result<HttpResponse, Refusal> {
    let digest = Digest::parse(&digest)?;
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    check_size(length.unwrap_or(0))?;
    let mut taken = head.take_blob(digest).await?;
    while let Some(piece) = body.next().await {
        let written = match piece {
            Ok(piece) => taken.write(piece).await,
            Err(error) => Err(Failure::new(Reason::MalformedDocument, "the upload broke off").because(&error)),
        };
        if let Err(failure) = written {
            taken.abort().await;
            return Err(failure.into());
        }
    }
    taken.finish().await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives out a file that was uploaded.
#[utoipa::path(
    tag = "jobs",
    operation_id = "downloadBlob",
    params(("digest" = String, Path, description = "`sha256:` and the SHA-256 of the content in hexadecimal")),
    responses(
        (status = 200, description = "Its content", content_type = "application/octet-stream"),
        (status = 404, description = "The head has it not", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[get("/api/v1/blobs/{digest}")]
pub(crate) async fn download_blob(head: Data<Head>, digest: Path<String>) -> Result<HttpResponse, Refusal> {
    let digest = Digest::parse(&digest)?;
    let Some(content) = head.open_blob(&digest).await? else {
        return Ok(HttpResponse::NotFound().json(not_uploaded(digest.hex(), &digest)));
    };
    // What breaks off shows as a body that breaks off, and as another hash.
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/octet-stream")).streaming(content))
}

fn wrong_query(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Reason::MalformedDocument, "this does not ask for files")
        .because(error)
        .file(BODY)
        .next(r#"send JSON as {"digests": ["sha256:..."]}"#)
}
