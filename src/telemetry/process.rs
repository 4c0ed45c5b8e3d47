//! The process metrics that every Prometheus client exports, read from `/proc` when scraped; where there is none, nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Ticks of the processor times in `/proc`: Linux shows user space a hundred a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` at every scrape.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let facts = ProcessFacts::read();
        // The names are those of the other Prometheus clients, which is why the prefix of ours is not theirs.
        let gauges = [
            (
                "process_resident_memory_bytes",
                "Resident memory.",
                facts.resident_bytes.map(|bytes| bytes as f64),
            ),
            (
                "process_open_fds",
                "Open file descriptors.",
                facts.open_fds.map(|count| count as f64),
            ),
            (
                "process_max_fds",
                "Limit of open file descriptors.",
                facts.max_fds.map(|count| count as f64),
            ),
            (
                "process_start_time_seconds",
                "Start of the process, in seconds since 1970.",
                facts.start_time,
            ),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                let gauge = ConstGauge::new(value);
                gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
            }
        }
        if let Some(seconds) = facts.cpu_seconds {
            let counter = ConstCounter::new(seconds);
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                "User and system time.",
                None,
                counter.metric_type(),
            )?)?;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct ProcessFacts {
    resident_bytes: Option<u64>,
    open_fds: Option<usize>,
    max_fds: Option<u64>,
    start_time: Option<f64>,
    cpu_seconds: Option<f64>,
}

impl ProcessFacts {
    fn read() -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let stat = text("/proc/self/stat");
        Self {
            resident_bytes: resident_bytes(&text("/proc/self/status")),
            // The directory being read is one of them.
            open_fds: std::fs::read_dir("/proc/self/fd")
                .ok()
                .map(|entries| entries.count().saturating_sub(1)),
            max_fds: max_fds(&text("/proc/self/limits")),
            start_time: start_time(&stat, &text("/proc/uptime"), SystemTime::now()),
            cpu_seconds: cpu_seconds(&stat),
        }
    }
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn max_fds(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A field of `/proc/self/stat` by its number in proc(5), which counts from 1; the command's name may hold anything, so
/// fields are counted behind its closing parenthesis.
fn stat_ticks(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((stat_ticks(stat, 14)? + stat_ticks(stat, 15)?) / TICKS_PER_SECOND)
}

fn start_time(stat: &str, uptime: &str, now: SystemTime) -> Option<f64> {
    let since_boot = stat_ticks(stat, 22)? / TICKS_PER_SECOND;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    // Rounded, so that the value does not tremble from scrape to scrape.
    Some((now - uptime + since_boot).round())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const STAT: &str = "4242 (a) name (b) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0 9 0 5000 123456 789";

    #[test]
    fn fields_are_counted_behind_the_name() {
        assert_eq!(cpu_seconds(STAT), Some(4.0));
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(start_time(STAT, "100.25 12.00", now), Some(950.0));
    }

    #[test]
    fn memory_and_limits_are_read() {
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\nVmRSS:\t   12 kB\n"), Some(12 * 1024));
        assert_eq!(
            max_fds("Limit  Soft Limit  Hard Limit  Units\nMax open files            1024   4096   files"),
            Some(1024)
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        for text in ["", "VmRSS:", "Max open files unlimited", "1 (a", "1 (a) S"] {
            assert_eq!(resident_bytes(text), None, "{text}");
            assert_eq!(max_fds(text), None, "{text}");
            assert_eq!(cpu_seconds(text), None, "{text}");
            assert_eq!(start_time(text, text, SystemTime::now()), None, "{text}");
        }
    }
}
