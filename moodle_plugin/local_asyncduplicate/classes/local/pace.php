<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * How long the parts of a duplication take.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use stdClass;

/**
 * Turns the progress that Moodle reports into a share of the time, as earlier copies took it.
 *
 * Moodle counts steps, and steps differ: without this a bar would rush at first and stand still later.
 */
class pace {
    /** @var int Into how many parts the progress of a phase is divided. */
    public const PARTS = 20;

    /** @var int How many earlier copies are looked at. */
    private const COPIES = 5;

    /** @var float Share of the backup in the time, without history. */
    private const DEFAULT_SHARE = 0.5;

    /** @var float How many times as slow or as fast as earlier copies this one is believed to be at most. */
    private const SLOWEST = 5.0;

    /** @var float How slow this copy is: 2 if it takes twice the time of earlier ones. */
    private float $slowness = 1.0;

    /**
     * Use {@see self::of_job()}.
     *
     * @param float $share of the backup in the whole time
     * @param float[] $lengths by phase: milliseconds it takes; empty without history
     * @param float[][] $curves by phase: share of the phase's time at each part
     */
    private function __construct(
        /** @var float share of the backup in the whole time */
        private float $share,
        /** @var float[] by phase: milliseconds it takes */
        private array $lengths,
        /** @var float[][] by phase: share of the phase's time at each part */
        private array $curves
    ) {
    }

    /**
     * The pace of the latest copies of the same course, best with or without users like this one, or else of any course.
     *
     * @param stdClass $job
     * @return self
     */
    public static function of_job(stdClass $job): self {
        $copies = self::latest(' AND sourceid = :sourceid', ['sourceid' => $job->sourceid]);
        $users = json_decode($job->options)->users;
        $alike = array_filter($copies, fn($copy) => json_decode($copy->options)->users === $users);
        $copies = $alike ?: $copies ?: self::latest('', []);
        $copies = array_slice($copies, 0, self::COPIES);
        return self::of_history(array_map(fn($copy) => json_decode($copy->pace, true), $copies));
    }

    /**
     * The usual pace: medians, for a copy that was made on a busy server says little.
     *
     * @param array[] $history for each copy, by phase: milliseconds until each part was reached
     * @return self
     */
    public static function of_history(array $history): self {
        $history = array_filter($history, fn($copy) => self::is_usable($copy[jobs::BACKUP] ?? null)
            && self::is_usable($copy[jobs::RESTORE] ?? null));
        if (!$history) {
            $linear = array_map(fn($part) => $part / self::PARTS, range(0, self::PARTS));
            return new self(self::DEFAULT_SHARE, [], [jobs::BACKUP => $linear, jobs::RESTORE => $linear]);
        }
        $lengths = [];
        $curves = [];
        foreach ([jobs::BACKUP, jobs::RESTORE] as $phase) {
            $lengths[$phase] = self::median(array_map(fn($copy) => end($copy[$phase]), $history));
            foreach (range(0, self::PARTS) as $part) {
                $curves[$phase][$part] = self::median(array_map(fn($copy) => $copy[$phase][$part] / end($copy[$phase]), $history));
            }
        }
        $share = self::median(array_map(
            fn($copy) => end($copy[jobs::BACKUP]) / (end($copy[jobs::BACKUP]) + end($copy[jobs::RESTORE])),
            $history
        ));
        return new self($share, $lengths, $curves);
    }

    /**
     * The progress of the whole duplication.
     *
     * With history, time goes on within a part: some parts take most of the time, and Moodle reports nothing meanwhile.
     * It goes as fast as this copy went so far, and never into the next part.
     *
     * @param int $phase
     * @param float $done progress of the phase as Moodle reports it, 0 to 1
     * @param int $elapsed milliseconds since the phase began
     * @param int[] $reached milliseconds until each part was reached
     * @return float 0 to 1
     */
    public function overall(int $phase, float $done, int $elapsed, array $reached): float {
        $done = max(0.0, min(1.0, $done));
        $part = (int) min(floor($done * self::PARTS + 1e-9), self::PARTS - 1);
        $curve = $this->curves[$phase];
        $width = $curve[$part + 1] - $curve[$part];
        $within = $done * self::PARTS - $part;
        if ($this->lengths && isset($reached[$part])) {
            $slowness = $this->slowness;
            if ($part && $curve[$part] > 0) {
                $slowness = self::bounded($reached[$part] / ($curve[$part] * $this->lengths[$phase]));
            }
            $expected = $width * $this->lengths[$phase] * $slowness;
            $within = $expected > 0 ? min(1.0, ($elapsed - $reached[$part]) / $expected) : 0.0;
        }
        $time = $curve[$part] + $width * $within;
        return $phase == jobs::BACKUP ? $time * $this->share : $this->share + $time * (1 - $this->share);
    }

    /**
     * Notes how long the backup took: the restore will be as slow or as fast.
     *
     * @param int $milliseconds
     */
    public function note_backup(int $milliseconds): void {
        if ($this->lengths) {
            $this->slowness = self::bounded($milliseconds / $this->lengths[jobs::BACKUP]);
        }
    }

    /**
     * The latest copies, the newest first.
     *
     * @param string $more condition
     * @param array $params of the condition
     * @return stdClass[]
     */
    private static function latest(string $more, array $params): array {
        global $DB;
        $where = 'status = :status AND pace IS NOT NULL' . $more;
        $params['status'] = jobs::SUCCEEDED;
        return array_values(
            $DB->get_records_select(jobs::TABLE, $where, $params, 'id DESC', 'id, options, pace', 0, 4 * self::COPIES)
        );
    }

    /**
     * The median.
     *
     * @param float[] $numbers at least one
     * @return float
     */
    private static function median(array $numbers): float {
        sort($numbers);
        $middle = intdiv(count($numbers) - 1, 2);
        return ($numbers[$middle] + $numbers[count($numbers) - 1 - $middle]) / 2;
    }

    /**
     * A slowness within bounds.
     *
     * @param float $slowness
     * @return float
     */
    private static function bounded(float $slowness): float {
        return max(1 / self::SLOWEST, min(self::SLOWEST, $slowness));
    }

    /**
     * Whether a curve is complete and took any time.
     *
     * @param mixed $curve
     * @return bool
     */
    private static function is_usable($curve): bool {
        return is_array($curve) && count($curve) == self::PARTS + 1 && end($curve) > 0;
    }
}
