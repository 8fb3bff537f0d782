#!/bin/sh
# Runs `etl sync` every night at ETL_NIGHTLY_AT (HH:MM in UTC), until it is told to stop (TERM or INT).
# A sync that fails is told and tried again the next night: what is still due then is asked for then.
set -u

day=86400

tell() {
    printf '{"event": "nightly", "level": "%s", "message": "%s"}\n' "$1" "$2" >&2
}

# ETL_NIGHTLY_NOW, in seconds since 1970, stands in for the clock in tests.
now() {
    echo "${ETL_NIGHTLY_NOW:-$(date +%s)}"
}

# Runs a command so that a signal ends it at once; a running sync rolls back what is in flight.
child=
run() {
    "$@" &
    child=$!
    wait "$child"
    code=$?
    child=
    return "$code"
}

stop() {
    trap '' TERM INT
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        wait "$child" 2>/dev/null
    fi
    exit 143
}
trap stop TERM INT

at=${ETL_NIGHTLY_AT:-02:30}
case $at in
    [01][0-9]:[0-5][0-9] | 2[0-3]:[0-5][0-9]) ;;
    *)
        tell error "ETL_NIGHTLY_AT: $at is no time of day, such as 02:30"
        exit 2
        ;;
esac
hour=${at%:*} minute=${at#*:}
at_second=$((${hour#0} * 3600 + ${minute#0} * 60))

while :; do
    # From 1 second to a whole day: a sync that ends within its own second is not repeated.
    wait_seconds=$(((at_second - $(now) % day + day - 1) % day + 1))
    tell info "the next sync starts at $at UTC, in $wait_seconds s"
    run sleep "$wait_seconds"
    run etl sync
    code=$?
    if [ "$code" -eq 0 ]; then
        tell info "etl sync is through"
    else
        tell error "etl sync ended with exit code $code"
    fi
done
