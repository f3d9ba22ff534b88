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
 * What the ad hoc task does.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use stdClass;

/**
 * Decides whether a row is to be worked on, and sees to it that it ends.
 */
class worker {
    /** @var int Seconds to wait for somebody who has the row's lock for a moment, to cancel it or to look at it. */
    private const PATIENCE = 20;

    /**
     * Works on a duplication, unless another process does or did.
     *
     * @param string $duplicateid
     */
    public static function run(string $duplicateid): void {
        $lock = locks::of_job($duplicateid, self::PATIENCE);
        if (!$lock) {
            mtrace("Duplication $duplicateid: another process works on it.");
            return;
        }
        try {
            $job = jobs::find($duplicateid);
            if (!$job || jobs::is_ended($job)) {
                mtrace("Duplication $duplicateid: nothing to do.");
            } else if ($job->status == jobs::EXECUTING) {
                ending::fail($job, ending::DIED, get_string('processdied', 'local_asyncduplicate'));
            } else {
                self::work($job);
            }
        } finally {
            locks::release($lock);
        }
    }

    /**
     * Makes the copy.
     *
     * @param stdClass $job
     */
    private static function work(stdClass $job): void {
        jobs::update($job, ['status' => jobs::EXECUTING, 'timestarted' => time()]);
        try {
            (new course_copy($job))->make();
        } catch (\Throwable $e) {
            mtrace("Duplication {$job->duplicateid} failed: " . $e->getMessage() . ' ' . ($e->debuginfo ?? ''));
            mtrace($e->getTraceAsString());
            ending::fail($job, ending::code_of($e), $e->getMessage());
            return;
        }
        ending::settle($job);
    }
}
