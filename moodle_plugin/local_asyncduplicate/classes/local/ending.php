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
 * How duplications end.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use core\lock\lock_config;
use local_asyncduplicate\event\duplication_failed;
use local_asyncduplicate\event\duplication_succeeded;
use moodle_exception;
use stdClass;

defined('MOODLE_INTERNAL') || die();

global $CFG;
require_once($CFG->dirroot . '/course/lib.php');

/**
 * Ends rows whose lock is held: cleans up first and tells afterwards, so that an ended row has left nothing behind.
 */
class ending {
    /** @var string Error code: the PHP process ended in the middle. */
    public const DIED = 'processdied';

    /** @var string Error code: there is no task any more that would make the copy. */
    public const TASK_GONE = 'taskgone';

    /**
     * Ends a duplication without a copy.
     *
     * @param stdClass $job
     * @param string $code
     * @param string $message
     */
    public static function fail(stdClass $job, string $code, string $message): void {
        global $DB;
        if ($DB->is_transaction_started()) {
            $DB->force_transaction_rollback();
        }
        $leftover = 0;
        try {
            (new cleaner($job))->remove_all();
        } catch (moodle_exception $e) {
            // Throws again when the database is gone: the scheduled task ends the row later.
            $leftover = 1;
            mtrace("Duplication {$job->duplicateid}: could not remove everything: " . $e->getMessage());
        }
        if ($job->cancelrequested) {
            [$code, $message] = [jobs::CANCELLED, get_string(jobs::CANCELLED, 'local_asyncduplicate')];
        }
        jobs::update($job, [
            'errorcode' => $code,
            'errormessage' => $message,
            'leftover' => $leftover,
        ] + jobs::ended($job, jobs::FAILED));
        self::settle($job);
    }

    /**
     * What is left to do for a row that ended: caches, event, message, task. Then its taskid is null.
     *
     * The scheduled task does this where the process was killed in between.
     *
     * @param stdClass $job
     */
    public static function settle(stdClass $job): void {
        if ($job->status == jobs::SUCCEEDED) {
            self::refresh_caches((int) $job->courseid);
            self::tell(duplication_succeeded::of_job($job), $job);
        } else {
            self::tell(duplication_failed::of_job($job), $job);
        }
        self::remove_task($job);
        jobs::update($job, ['taskid' => null]);
    }

    /**
     * Makes the new course appear in its place.
     *
     * @param int $courseid
     */
    private static function refresh_caches(int $courseid): void {
        $lock = locks::of_names();
        try {
            fix_course_sortorder();
        } finally {
            locks::release($lock);
        }
        rebuild_course_cache($courseid, true);
        \cache_helper::purge_by_event('changesincourse');
    }

    /**
     * The error code of a throwable.
     *
     * @param \Throwable $e
     * @return string
     */
    public static function code_of(\Throwable $e): string {
        $code = $e instanceof moodle_exception ? $e->errorcode : '';
        return $code !== '' ? \core_text::substr($code, 0, 100) : (new \ReflectionClass($e))->getShortName();
    }

    /**
     * Removes the ad hoc task of a duplication that ended, unless it runs: Moodle removes it then.
     *
     * A task whose process was killed counts as running for an hour otherwise, and holds a place in the queue.
     *
     * @param stdClass $job
     */
    private static function remove_task(stdClass $job): void {
        global $DB;
        $lock = lock_config::get_lock_factory('cron')->get_lock('adhoc_' . $job->taskid, 0);
        if ($lock) {
            $DB->delete_records('task_adhoc', ['id' => $job->taskid, 'component' => 'local_asyncduplicate']);
            locks::release($lock);
        }
    }

    /**
     * Triggers the event and sends the message. What goes wrong here changes nothing about the copy.
     *
     * @param \core\event\base $event
     * @param stdClass $job
     */
    private static function tell(\core\event\base $event, stdClass $job): void {
        try {
            $event->trigger();
            notifier::tell($job);
        } catch (\Throwable $e) {
            mtrace("Duplication {$job->duplicateid}: could not tell how it ended: " . $e->getMessage());
        }
    }
}
