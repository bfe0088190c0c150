//! What an idle connection costs on the way to its session: hyper's buffers must not stay behind.

mod common;

use common::{Front, upgrade_request};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

const CONNECTIONS: u64 = 1500;

/// Measured 4.5 KB in an unoptimised build; with hyper's read buffer kept it was 8.4.
const MOST_KB: u64 = 6;

#[test]
fn an_upgraded_connection_keeps_nothing_of_its_http_phase() {
    let front = Front::start("version: 1\nhot: {limits: {connectionsPerAddress: 20000}}\n");
    let request = upgrade_request("/", "13");
    let connect = || {
        let mut stream = TcpStream::connect(front.address).expect("the port is served");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = [0; 512];
        let read = stream.read(&mut answer).expect("it answers");
        assert!(answer[..read].starts_with(b"HTTP/1.1 101"));
        stream
    };
    let mut held: Vec<_> = (0..100).map(|_| connect()).collect();
    held.reserve(CONNECTIONS as usize);
    let before = anonymous_kb();
    held.extend((0..CONNECTIONS).map(|_| connect()));
    let each = (anonymous_kb() - before) / CONNECTIONS;
    assert!(each < MOST_KB, "{each} KB per connection");
}

fn anonymous_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("tests run on Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("proc_pid_status(5)")
}
