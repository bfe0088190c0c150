//! A key that loses its rights gets nothing of what waits for it.

use anyhow::{Result, ensure};
use nostr_fleet_e2e::{
    club::{Club, Visitor},
    cluster::Cluster,
    events::keys,
    figures::figure,
    objects::PATIENCE,
    scene::scene,
    socket::Socket,
};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

/// What the reader lets the network hold for it.
const WINDOW: u32 = 4096;
/// So much is published to it while it does not read: more than the network holds, less than what makes the relay let go of it.
const NOTES: usize = 35;
const NOTE_BYTES: usize = 100_000;
/// Notes that fit into the sockets of both sides, the write buffer, and the frame that did not fit any more: 500 KB, and seen was one note.
const IN_THE_NETWORK: usize = 5;

/// A reader whose side of the network holds next to nothing.
async fn slow_reader(club: &Club<'_>) -> Result<Socket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(WINDOW)?;
    let stream = socket.connect(club.relay.public_address().await?).await?;
    Socket::open(Box::new(stream)).await
}

#[tokio::test]
async fn a_revoked_key_with_a_full_outbox_gets_nothing_more() -> Result<()> {
    if !Cluster::connect().await?.local {
        nostr_fleet_e2e::left_out(
            "a slow reader needs a connection of its own, without a forwarder that buffers",
        );
        return Ok(());
    }
    scene("revoked", async |scene| {
        let (writer, reader) = (keys(85), keys(86));
        let club = scene.club(&[&writer, &reader]).await?;
        let mut slow = slow_reader(&club).await?;
        slow.authenticate(&reader, &club.relay.url().await?).await?;
        slow.send(&json!(["REQ", "notes", {"kinds": [1], "limit": 0}]))
            .await?;
        ensure!(slow.message().await?[0] == "EOSE");

        let mut writing = club.enter(&writer).await?;
        publish(&mut writing, "before", NOTES).await?;
        let hash = club.admit(&[&writer]).await?;
        club.until_applied(&hash, PATIENCE).await?;
        publish(&mut writing, "after", 3).await?;

        let (heard, reason) = until_closed(&mut slow).await?;
        ensure!(reason.starts_with("restricted: "), "{reason}");
        let late = heard.iter().find(|text| !text.starts_with("before"));
        ensure!(late.is_none(), "a note from after the revocation");
        let heard = heard.len();
        figure(&format!(
            "revoked reader with {NOTES} notes of 100 KB on their way to it: heard {heard}, which the network held"
        ));
        ensure!(
            heard <= IN_THE_NETWORK,
            "{heard} notes: more than the network holds"
        );
        let mut revoked = Visitor {
            keys: reader,
            socket: slow,
        };
        revoked.is_judged(false).await // the next thing it hears, on the connection that it had
    })
    .await
}

async fn publish(visitor: &mut Visitor, word: &str, count: usize) -> Result<()> {
    let text = format!("{word} {}", "x".repeat(NOTE_BYTES));
    for _ in 0..count {
        let verdict = visitor.publish_text(&text).await?;
        ensure!(verdict.accepted, "{verdict:?}");
    }
    Ok(())
}

/// The notes that came before CLOSED, and its reason.
async fn until_closed(socket: &mut Socket) -> Result<(Vec<String>, String)> {
    let mut heard = Vec::new();
    loop {
        let message = socket.message().await?;
        match message[0].as_str() {
            Some("EVENT") => {
                let text = message[2]["content"].as_str();
                heard.push(text.unwrap_or_default().to_owned());
            }
            Some("CLOSED") => {
                let reason = message.get(2).and_then(Value::as_str);
                return Ok((heard, reason.unwrap_or_default().to_owned()));
            }
            _ => anyhow::bail!("{message:?}"),
        }
    }
}
