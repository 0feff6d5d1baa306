//! `shoal cluster door`: for programs that ask the head of a ShoalCluster themselves, as the Python client does. A line on stdout says
//! where the head is and what to show there, at first and whenever a line comes on stdin, as a user's own token is renewed. The end
//! of stdin is the end of it.

use std::io::Write;

use serde_json::{Value, json};
use shoal_core::{Failure, Reason};
use shoal_operator::{AtHand, Door};
use shoal_wire::Token;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::client_args::{ClientArgs, Target};
use crate::exit::End;

/// What stands in front of a token in a header.
const BEARER: &str = "Bearer ";

/// Opens a door and keeps it open.
pub(crate) async fn run(args: &ClientArgs) -> Result<(), End> {
    let Target::Cluster(to) = args.target()? else {
        return Err(Failure::new(Reason::InvalidValue, "a door leads to a ShoalCluster, and none is named")
            .next("name it with `--cluster NAME`")
            .into());
    };
    let token = args.token_file.as_deref().map(Token::read).transpose()?;
    let door = Door::open(to, AtHand { token, authority: args.tls_ca.is_some() }).await?;
    say(&told(&door).await)?;
    let mut asked = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = asked.next_line().await {
        say(&told(&door).await)?;
    }
    Ok(())
}

/// Where the head is and what to show there; and why nobody answers there, for who has found that so.
async fn told(door: &Door) -> Value {
    let (token, failure) = match door.token().await {
        Ok(token) => (Some(token.header().trim_start_matches(BEARER).to_owned()), None),
        Err(failure) => (None, Some(failure)),
    };
    let authority = door.authority().and_then(|authority| authority.pem.as_deref());
    json!({
        "url": door.url(),
        "address": door.address().to_string(),
        "token": token,
        "authority": authority.map(String::from_utf8_lossy),
        "failure": failure,
        "trouble": door.trouble(),
    })
}

/// Writes a line at once.
fn say(told: &Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{told}").and_then(|()| out.flush());
    written.map_err(|error| Failure::new(Reason::Io, "nobody reads where the head is").because(&error))
}
