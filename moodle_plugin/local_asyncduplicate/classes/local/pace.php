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

    /**
     * Use {@see self::of_source()}.
     *
     * @param float $share of the backup in the whole time
     * @param float[][] $curves by phase: share of the phase's time at each part
     */
    private function __construct(
        /** @var float share of the backup in the whole time */
        private float $share,
        /** @var float[][] by phase: share of the phase's time at each part */
        private array $curves
    ) {
    }

    /**
     * The pace of earlier copies of a course, or else of the latest copies of any course.
     *
     * @param int $sourceid
     * @return self
     */
    public static function of_source(int $sourceid): self {
        global $DB;
        $where = 'status = :status AND pace IS NOT NULL';
        $params = ['status' => jobs::SUCCEEDED];
        $of = fn(string $more, array $with) => $DB->get_records_select(
            jobs::TABLE,
            $where . $more,
            $params + $with,
            'id DESC',
            'id, pace',
            0,
            self::COPIES
        );
        $rows = $of(' AND sourceid = :sourceid', ['sourceid' => $sourceid]) ?: $of('', []);
        return self::of_history(array_map(fn($row) => json_decode($row->pace, true), array_values($rows)));
    }

    /**
     * The average pace.
     *
     * @param array[] $history for each copy, by phase: milliseconds until each part was reached
     * @return self
     */
    public static function of_history(array $history): self {
        $linear = array_map(fn($part) => $part / self::PARTS, range(0, self::PARTS));
        $curves = [jobs::BACKUP => $linear, jobs::RESTORE => $linear];
        $history = array_filter($history, fn($copy) => self::is_usable($copy[jobs::BACKUP] ?? null)
            && self::is_usable($copy[jobs::RESTORE] ?? null));
        if (!$history) {
            return new self(self::DEFAULT_SHARE, $curves);
        }
        $shares = [];
        $sums = [];
        foreach ($history as $copy) {
            $lengths = array_map(fn($curve) => end($curve), $copy);
            $shares[] = $lengths[jobs::BACKUP] / ($lengths[jobs::BACKUP] + $lengths[jobs::RESTORE]);
            foreach ([jobs::BACKUP, jobs::RESTORE] as $phase) {
                foreach ($copy[$phase] as $part => $milliseconds) {
                    $sums[$phase][$part] = ($sums[$phase][$part] ?? 0) + $milliseconds / $lengths[$phase];
                }
            }
        }
        foreach ([jobs::BACKUP, jobs::RESTORE] as $phase) {
            $curves[$phase] = array_map(fn($sum) => $sum / count($history), $sums[$phase]);
        }
        return new self(array_sum($shares) / count($shares), $curves);
    }

    /**
     * The progress of the whole duplication.
     *
     * @param int $phase
     * @param float $done progress of the phase as Moodle reports it, 0 to 1
     * @return float 0 to 1
     */
    public function overall(int $phase, float $done): float {
        $done = max(0.0, min(1.0, $done));
        $part = (int) min(floor($done * self::PARTS), self::PARTS - 1);
        $curve = $this->curves[$phase];
        $time = $curve[$part] + ($curve[$part + 1] - $curve[$part]) * ($done * self::PARTS - $part);
        return $phase == jobs::BACKUP ? $time * $this->share : $this->share + $time * (1 - $this->share);
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
