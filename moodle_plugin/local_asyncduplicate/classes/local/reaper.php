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
 * Duplications that nobody works on any more.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use stdClass;

/**
 * Ends rows whose process or task is gone, tries again to remove what is left of others, and deletes old rows.
 */
class reaper {
    /** @var int Seconds for which rows are kept, unless the setting says otherwise. */
    public const DEFAULT_KEEP = 180 * DAYSECS;

    /** @var int Seconds between two attempts to remove something that is left. */
    private const AGAIN = HOURSECS;

    /**
     * Does everything that is due.
     */
    public function run(): void {
        $this->end_dead();
        $this->end_without_task();
        $this->settle();
        $this->remove_leftovers(time() - self::AGAIN);
        $this->delete_old();
    }

    /**
     * Ends everything, for the plugin is about to go.
     */
    public function end_all(): void {
        global $DB;
        $where = 'status IN (?, ?)';
        $DB->set_field_select(jobs::TABLE, 'cancelrequested', 1, $where, [jobs::AWAITING, jobs::EXECUTING]);
        foreach ($this->ids($where, [jobs::AWAITING, jobs::EXECUTING]) as $duplicateid) {
            // A process that works on it stops at its next report of progress, and cleans up itself.
            $this->with_lock($duplicateid, fn(stdClass $job) => jobs::is_ended($job)
                || ending::fail($job, jobs::CANCELLED, ''), MINSECS);
        }
        $this->remove_leftovers(time());
    }

    /**
     * Ends rows that are said to run, and that no process works on.
     */
    private function end_dead(): void {
        foreach ($this->ids('status = ?', [jobs::EXECUTING]) as $duplicateid) {
            $this->with_lock($duplicateid, function (stdClass $job): void {
                if ($job->status == jobs::EXECUTING) {
                    mtrace("Duplication {$job->duplicateid}: its process ended in the middle.");
                    ending::fail($job, ending::DIED, get_string('processdied', 'local_asyncduplicate'));
                }
            });
        }
    }

    /**
     * Ends rows that wait for a task that does not exist any more, or that Moodle will not run again.
     */
    private function end_without_task(): void {
        global $DB;
        foreach ($this->ids('status = ?', [jobs::AWAITING]) as $duplicateid) {
            $job = jobs::find($duplicateid);
            if (!$job || $this->has_task($job)) {
                continue;
            }
            $this->with_lock($duplicateid, function (stdClass $job): void {
                if ($job->status == jobs::AWAITING && !$this->has_task($job)) {
                    mtrace("Duplication {$job->duplicateid}: its task is gone.");
                    ending::fail($job, ending::TASK_GONE, get_string('taskgone', 'local_asyncduplicate'));
                }
            });
        }
    }

    /**
     * Finishes rows that ended and whose process was killed before it could tell anybody.
     */
    private function settle(): void {
        foreach ($this->ids('taskid IS NOT NULL AND status IN (?, ?)', [jobs::FAILED, jobs::SUCCEEDED]) as $duplicateid) {
            $this->with_lock($duplicateid, fn(stdClass $job) => ending::settle($job));
        }
    }

    /**
     * Whether Moodle will still run the task of a row.
     *
     * @param stdClass $job
     * @return bool
     */
    private function has_task(stdClass $job): bool {
        global $DB;
        $task = $DB->get_record('task_adhoc', ['id' => $job->taskid]);
        // Moodle counts attempts since 4.4.
        return $task && (!isset($task->attemptsavailable) || $task->attemptsavailable > 0);
    }

    /**
     * Tries again to remove what failed duplications left behind.
     *
     * @param int $before only rows that were not touched since
     */
    private function remove_leftovers(int $before): void {
        foreach ($this->ids('leftover = 1 AND timemodified <= ?', [$before]) as $duplicateid) {
            $this->with_lock($duplicateid, function (stdClass $job): void {
                try {
                    (new cleaner($job))->remove_all();
                    jobs::update($job, ['leftover' => 0]);
                } catch (\moodle_exception $e) {
                    mtrace("Duplication {$job->duplicateid}: could not remove everything: " . $e->getMessage());
                    jobs::update($job, ['leftover' => 1]);
                }
            });
        }
    }

    /**
     * Deletes rows that ended long ago.
     */
    private function delete_old(): void {
        global $DB;
        $keep = get_config('local_asyncduplicate', 'keep');
        $keep = $keep === false ? self::DEFAULT_KEEP : (int) $keep;
        if ($keep) {
            $DB->delete_records_select(jobs::TABLE, 'leftover = 0 AND taskid IS NULL AND timefinished < ?', [time() - $keep]);
        }
    }

    /**
     * The ids of some rows.
     *
     * @param string $where
     * @param array $params
     * @return string[]
     */
    private function ids(string $where, array $params): array {
        global $DB;
        return $DB->get_fieldset_select(jobs::TABLE, 'duplicateid', $where, $params);
    }

    /**
     * Does something with a row that nobody works on; nothing where somebody does.
     *
     * @param string $duplicateid
     * @param callable $what gets the row, read after the lock was got
     * @param int $timeout seconds to wait for the lock
     */
    private function with_lock(string $duplicateid, callable $what, int $timeout = 0): void {
        $lock = locks::of_job($duplicateid, $timeout);
        if (!$lock) {
            return;
        }
        try {
            if ($job = jobs::find($duplicateid)) {
                $what($job);
            }
        } finally {
            locks::release($lock);
        }
    }
}
