# shellcheck shell=bash
# Starting, awaiting and stopping the cluster's processes. Sourced, after env.sh. One pid file a process; nothing is ever ended by name.

runs() { # name: is the process of its pid file that program?
  local pid
  [ -s "$RUN/$1.pid" ] && pid=$(cat "$RUN/$1.pid") && [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -- "$1"
}

start() { # name, command…: in the namespace, detached; one that runs with other arguments is replaced
  local name=$1
  shift
  if runs "$name"; then
    [ "$(cat "$RUN/$name.command" 2>/dev/null)" = "$*" ] && return
    stop "$name"
  fi
  echo "$*" >"$RUN/$name.command"
  setsid nohup nsenter --net="/run/netns/$NETNS" "$@" >>"$LOG/$name.log" 2>&1 </dev/null 8>&- 9>&- &
  echo $! >"$RUN/$name.pid"
}

await() { # what, seconds, command…
  local what=$1 end=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $end ]; then
      echo "$what did not get ready: see $LOG" >&2
      exit 1
    fi
    sleep 0.3
  done
  echo "  $what is ready (${SECONDS} s)"
}

stop() { # name
  local pid n
  if runs "$1"; then
    pid=$(cat "$RUN/$1.pid")
    kill "$pid"
    for ((n = 0; n < 60; n++)); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.25
    done
    kill -9 "$pid" 2>/dev/null || true
    echo "  stopped $1"
  fi
  rm -f "$RUN/$1.pid" "$RUN/$1.command"
}
