//! Replicas that are killed, an API server that restarts, an etcd that stops.
