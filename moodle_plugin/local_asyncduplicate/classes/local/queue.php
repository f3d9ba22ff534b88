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
 * Moodle's queue of ad hoc tasks, and its cron.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use stdClass;

/**
 * Tells why a duplication still waits.
 */
class queue {
    /** @var int How many waiting tasks are counted at most. */
    public const MOST = 5000;

    /**
     * When Moodle's cron was started last.
     *
     * @return int Unix timestamp; 0 if never
     */
    public static function cron_last_run(): int {
        return (int) get_config('tool_task', 'lastcronstart');
    }

    /**
     * How many tasks of Moodle wait before those of some rows.
     *
     * @param stdClass[] $jobs
     * @return int[] with the keys of $jobs; 0 for rows that do not wait
     */
    public static function ahead(array $jobs): array {
        $places = null;
        $ahead = [];
        foreach ($jobs as $key => $job) {
            if ($job->status != jobs::AWAITING) {
                $ahead[$key] = 0;
                continue;
            }
            $places ??= self::places();
            // A task without a place was just taken by a cron process, unless there are too many.
            $ahead[$key] = $places[$job->taskid] ?? (count($places) < self::MOST ? 0 : self::MOST);
        }
        return $ahead;
    }

    /**
     * The places of the waiting tasks, from 0.
     *
     * @return int[] by id of the task
     */
    private static function places(): array {
        global $DB;
        $tasks = $DB->get_records_select(
            'task_adhoc',
            'timestarted IS NULL AND nextruntime <= ?',
            [time()],
            'nextruntime, id',
            'id',
            0,
            self::MOST
        );
        return array_flip(array_keys($tasks));
    }
}
