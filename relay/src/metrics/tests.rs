use super::*;

#[test]
fn every_promised_name_is_there() {
    let metrics = Metrics::new();
    metrics.received(1);
    metrics.stored(1);
    metrics.rejected(&Verdict::invalid("x"));
    metrics.rejected(&Verdict::auth_required("x"));
    metrics.limited(Limited::HalfOpen);
    metrics.auth_failed(AuthFailure::Relay);
    metrics.reloaded(Reloaded::Applied);
    metrics.allowlist(Reloaded::Applied, 812);
    let text = metrics.render(&StoreStatus {
        used_bytes: 4096,
        events: 7,
        log_live_bytes: 3,
        log_dead_bytes: 2,
        ..StoreStatus::default()
    });
    for line in [
        "nostr_relay_active_connections 0",
        "nostr_relay_connections_total 0",
        "nostr_relay_events_received_total{kind=\"1\"} 1",
        "nostr_relay_events_stored_total{kind=\"1\"} 1",
        "nostr_relay_events_rejected_total{reason=\"invalid\"} 1",
        "nostr_relay_events_rejected_total{reason=\"auth-required\"} 1",
        "nostr_relay_duplicates_total 0",
        "nostr_relay_active_subscriptions 0",
        "nostr_relay_query_duration_seconds_bucket{le=\"0.001\"} 0",
        "nostr_relay_query_duration_seconds_bucket{le=\"5.0\"} 0",
        "nostr_relay_commit_duration_seconds_count 0",
        "nostr_relay_deliveries_total 0",
        "nostr_relay_ephemeral_lost_total 0",
        "nostr_relay_slow_readers_dropped_total 0",
        "nostr_relay_rate_limit_hits_total{type=\"half_open\"} 1",
        "nostr_relay_auth_failures_total{reason=\"relay\"} 1",
        "nostr_relay_storage_bytes 4096",
        "nostr_relay_event_count 7",
        "nostr_relay_log_bytes{state=\"live\"} 3",
        "nostr_relay_log_bytes{state=\"dead\"} 2",
        "nostr_relay_config_reloads_total{result=\"applied\"} 1",
        "nostr_relay_allowlist_reloads_total{result=\"applied\"} 1",
        "nostr_relay_allowlist_entries 812",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn no_client_can_make_a_new_series() {
    let metrics = Metrics::new();
    (0..=u16::MAX).for_each(|kind| metrics.received(kind));
    let text = metrics.render(&StoreStatus::default());
    let series = text.matches("events_received_total{").count();
    assert!(series < 32, "{series} series");
    assert!(text.contains("events_received_total{kind=\"other\"}"));
}
