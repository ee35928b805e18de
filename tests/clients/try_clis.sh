#!/bin/bash
# Claude Code, Codex and Gemini CLI, as published, through the gateway before simulated providers.
#
#   make try-clis            (npm fetches about 700 MB into a temporary folder)
#
# Not in the suite for its size. As root it runs in a network namespace that has loopback only, so
# that nothing of these programs can go anywhere but to the gateway.
set -euo pipefail
bin=$(cd "$(dirname "$0")/../../.venv/bin" && pwd)

if [ "${1:-}" != inside ]; then
  folder=$(mktemp -d "${TMPDIR:-/tmp}/try-clis-XXXXXX")
  trap 'rm -rf "$folder"' EXIT
  echo "Fetching the command lines into $folder ..."
  npm install --prefix "$folder" --no-audit --no-fund --silent \
    @anthropic-ai/claude-code @openai/codex @google/gemini-cli
  if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
    unshare -n bash "$0" inside "$folder"
  else
    bash "$0" inside "$folder"
  fi
  exit
fi

folder=$2
ip link set lo up 2>/dev/null || true
export HOME=$folder/home PATH=$folder/node_modules/.bin:$bin:$PATH
mkdir -p "$HOME/.gemini" "$folder/work"
cat > "$HOME/.gemini/settings.json" <<'JSON'
{"security": {"auth": {"selectedType": "gemini-api-key"}}}
JSON
cat > "$folder/gateway.yaml" <<YAML
listen: 127.0.0.1:0
state: {dir: $folder/state}
lanes: {claude: {provider: claude, models: ["*"], limits: {rpm: 50, itpm: 80000, otpm: 16000, concurrency: 1}}}
logging: {access_file: $folder/access.log}
YAML
export DISABLE_TELEMETRY=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 DISABLE_AUTOUPDATER=1
cd "$folder/work"
gateway serve --simulate --config "$folder/gateway.yaml" >"$folder/gateway.log" 2>&1 &
serving=$!
trap 'kill $serving; wait $serving || true' EXIT
for _ in $(seq 100); do [ -s "$folder/state/listening" ] && break; sleep 0.1; done

ask="Say hello. [[output=12]]"
through() { # NAME COMMAND... : run it through the gateway and tell how it ended
  local name=$1 code=0
  shift
  timeout 120 gateway run --config "$folder/gateway.yaml" --agent "$name" -- "$@" \
    </dev/null >"$folder/$name.out" 2>&1 || code=$?
  echo "$name: exit code $code, said: $(grep -v '^gateway:' "$folder/$name.out" | tail -n 1 | cut -c1-60)"
}

echo "claude $(claude --version 2>/dev/null), $(codex --version 2>/dev/null), gemini $(gemini --version 2>/dev/null)"
through claude claude -p "$ask"
through codex codex exec -m gpt-5-mini --skip-git-repo-check "$ask"
through gemini gemini --skip-trust -m gemini-2.5-flash -p "$ask"
echo "Five Claude Codes at once, in a lane that takes one call at a time:"
for number in 1 2 3 4 5; do through "claude-$number" claude -p "$ask" & waiting="${waiting:-} $!"; done
wait $waiting
"$bin/python" - "$folder/access.log" <<'PY'
import json, sys
for line in open(sys.argv[1]):
    one = json.loads(line)
    prompt = one["input_tokens"] + one["cache_read_tokens"] + one["cache_write_tokens"]
    print(f"  {one['agent']:<9} {one['status']}  {one['model']:<17} {prompt:>6} prompt tokens, "
          f"{one['cache_read_tokens']:>6} from the cache, waited {one['wait_ms'] / 1000:.1f} s")
PY
