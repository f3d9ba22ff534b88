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
 * The row of the new course.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use context_course;
use stdClass;

defined('MOODLE_INTERNAL') || die();

global $CFG;
require_once($CFG->dirroot . '/backup/util/includes/restore_includes.php');

/**
 * Makes the hidden, empty course that the restore fills.
 */
class new_course {
    /**
     * Makes the course and its context and notes its id, in one transaction: whoever finds a course finds its id noted.
     *
     * Nobody else can see the course before its context exists; two processes that make the context at the same moment
     * would break the restore.
     *
     * @param stdClass $job
     * @param request $request
     * @return int id of the course
     */
    public static function create(stdClass $job, request $request): int {
        global $DB;
        $lock = locks::of_names();
        try {
            names::require_free($request);
            $transaction = $DB->start_delegated_transaction();
            try {
                $courseid = \restore_dbops::create_new_course($request->fullname, $request->shortname, $request->categoryid);
                context_course::instance($courseid);
                jobs::update($job, ['courseid' => $courseid, 'phase' => jobs::RESTORE]);
                $transaction->allow_commit();
            } catch (\Throwable $e) {
                unset($job->courseid);
                $transaction->rollback($e);
            }
        } finally {
            locks::release($lock);
        }
        return $courseid;
    }
}
