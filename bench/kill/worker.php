<?php
// APCu: a parent that forks its workers, which inherit the memory, as php-fpm does; and forks them again when they die.
// worker.php BOARD. What it does and counts is worker.py's; the board is board.py's.

const FILLING = 0, STORM = 1, CHECK = 2;
const PID = 0, CALLS = 1, MISSING = 2, WRONG = 3, OLDER = 4, REFUSED = 5, IN_CALL = 6, DEATHS = 7, WORDS = 8;

$libc = FFI::cdef('void *mmap(void *, size_t, int, int, int, long); int open(const char *, int);', 'libc.so.6');
$size = filesize($argv[1]);
$board = FFI::cast('uint64_t *', $libc->mmap(null, $size, 3 /* read, write */, 1 /* shared */, $libc->open($argv[1], 2), 0));
$workers = $board[1];
$keys = $board[2];

function make_value(int $key, int $counter): string {
    $head = pack('VV', $key, $counter);
    return substr($head . str_repeat(hash('sha256', $head, true), 64), 0, 64 + ($key * 101 + $counter * 37) % 2000);
}

function read_value(int $key, string $value): ?int {
    if (strlen($value) < 64) return null;
    $counter = unpack('V', $value, 4)[1];
    return $value === make_value($key, $counter) ? $counter : null;
}

function read_one(int $line, int $key): void {
    global $board, $workers;
    $least = $board[WORDS * (2 + $workers) + $key];
    $board[$line + IN_CALL] = 1;
    $value = apcu_fetch("key:$key", $found);
    $board[$line + IN_CALL] = 0;
    if (!$found) {
        $board[$line + MISSING] += 1;
    } elseif (!is_string($value) || ($counter = read_value($key, $value)) === null) {
        $board[$line + WRONG] += 1;
    } elseif ($counter < $least) {
        $board[$line + OLDER] += 1;
    }
    $board[$line + CALLS] += 1;
}

function store_one(int $line, int $key): void {
    global $board, $workers;
    $acked = WORDS * (2 + $workers) + $key;
    $counter = $board[$acked] + 1;
    $value = make_value($key, $counter);
    $board[$line + IN_CALL] = 1;
    $stored = apcu_store("key:$key", $value);
    $board[$line + IN_CALL] = 0;
    if (!$stored) {
        $board[$line + REFUSED] += 1;
        return;
    }
    $board[$acked] = $counter;
    $board[$line + CALLS] += 1;
}

function run(int $number): void {
    global $board, $workers, $keys;
    mt_srand();
    $line = WORDS * (1 + $number);
    $board[$line + DEATHS] += $board[$line + IN_CALL];
    $board[$line + IN_CALL] = 0;
    $board[$line + PID] = getmypid();
    if ($number === $workers) {
        for ($key = 0; $board[0] === FILLING && $key < $keys; ++$key) {
            while ($board[WORDS * (2 + $workers) + $key] === 0) store_one($line, $key);
        }
        foreach ([CALLS, MISSING, WRONG, OLDER, REFUSED] as $word) $board[$line + $word] = 0;
        if ($board[0] === FILLING) $board[0] = STORM;
        while ($board[0] !== CHECK) usleep(1000);
        for ($key = 0; $key < $keys; ++$key) read_one($line, $key);
        return;
    }
    while ($board[0] === FILLING) usleep(1000);
    while ($board[0] === STORM) {
        if (mt_rand(0, 1) === 0) {
            read_one($line, mt_rand(0, $keys - 1));
        } else {
            store_one($line, mt_rand(0, intdiv($keys, $workers) - 1) * $workers + $number);
        }
    }
    for (;;) sleep(60);
}

function spawn(int $number): int {
    $pid = pcntl_fork();
    if ($pid !== 0) return $pid;
    run($number);
    exit(0);
}

if (!apcu_enabled()) exit(1);
$running = [];
for ($number = 0; $number <= $workers; ++$number) $running[spawn($number)] = $number;
while ($running) {
    $pid = pcntl_wait($status);
    $number = $running[$pid];
    unset($running[$pid]);
    if (pcntl_wifsignaled($status)) {
        $running[spawn($number)] = $number;
    } elseif ($status !== 0) {
        exit(1);
    }
}
