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
 * Web service: core_course_async_duplicate_course_get_result.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\external;

use core_external\external_multiple_structure;
use core_external\external_single_structure;
use core_external\external_value;
use core_external\external_warnings;
use local_asyncduplicate\local\jobs;

/**
 * How a duplication ended, as far as it has.
 */
class get_result extends job_api {
    /**
     * The result.
     *
     * @param string $duplicateid
     * @return array
     */
    public static function execute(string $duplicateid): array {
        $job = jobs::get_visible(self::validated($duplicateid));
        $failed = $job->status == jobs::FAILED;
        $succeeded = $job->status == jobs::SUCCEEDED;
        $result = [
            'duplicateid' => $job->duplicateid,
            'state' => jobs::state($job),
            'courseid' => $succeeded ? $job->courseid : null,
            'shortname' => $job->shortname,
            'failurecode' => $failed ? $job->errorcode : null,
            'failuremessage' => $failed ? $job->errormessage : null,
            'partialcourseid' => $failed && $job->leftover ? $job->courseid : null,
            'timecreated' => $job->timecreated,
            'timestarted' => $job->timestarted,
            'timefinished' => $job->timefinished,
            'warnings' => self::warnings($job),
        ];
        if ($succeeded && $job->report) {
            $result['report'] = json_decode($job->report, true);
        }
        return $result;
    }

    /**
     * What is returned.
     *
     * @return external_single_structure
     */
    public static function execute_returns(): external_single_structure {
        return new external_single_structure([
            'duplicateid' => new external_value(PARAM_ALPHANUMEXT, 'the unique id of the duplication process'),
            'state' => new external_value(PARAM_ALPHA, 'queued, running, succeeded, failed or cancelled'),
            'courseid' => self::nullable(PARAM_INT, 'the new course; null until it is done'),
            'shortname' => new external_value(PARAM_RAW, 'short name of the copy'),
            'failurecode' => self::nullable(PARAM_RAW, 'error code of a failure'),
            'failuremessage' => self::nullable(PARAM_RAW, 'reason of a failure'),
            'partialcourseid' => self::nullable(PARAM_INT, 'a partial course that could not be deleted yet'),
            'timecreated' => new external_value(PARAM_INT, 'when it was started'),
            'timestarted' => self::nullable(PARAM_INT, 'when the work began'),
            'timefinished' => self::nullable(PARAM_INT, 'when it ended'),
            'report' => new external_single_structure([
                'sourcecourseid' => new external_value(PARAM_INT, 'id of the source'),
                'courseid' => new external_value(PARAM_INT, 'id of the copy'),
                'activities' => new external_multiple_structure(new external_single_structure([
                    'modname' => new external_value(PARAM_PLUGIN, 'module'),
                    'oldcmid' => new external_value(PARAM_INT, 'course module id in the source'),
                    'newcmid' => new external_value(PARAM_INT, 'course module id in the copy'),
                    'oldinstance' => new external_value(PARAM_INT, 'instance id in the source'),
                    'newinstance' => new external_value(PARAM_INT, 'instance id in the copy'),
                ])),
                'missing' => new external_multiple_structure(new external_single_structure([
                    'kind' => new external_value(PARAM_ALPHA, 'sections, activities, blocks, questioncategories, groups, '
                        . 'groupings, enrolmentmethods, enrolledusers, roles or badges'),
                    'name' => new external_value(PARAM_RAW, 'module, block, enrolment method or role, else empty'),
                    'source' => new external_value(PARAM_INT, 'how many the source has'),
                    'copy' => new external_value(PARAM_INT, 'how many the copy has'),
                ]), 'what the source has more of than the copy'),
                'pointing' => new external_multiple_structure(new external_single_structure([
                    'kind' => new external_value(PARAM_ALPHA, 'lti for an external tool of the source\'s course, link for a link'),
                    'cmid' => new external_value(PARAM_INT, 'course module id in the copy; 0 outside of activities'),
                    'modname' => new external_value(PARAM_RAW, 'module; empty outside of activities'),
                    'name' => new external_value(PARAM_RAW, 'name of the activity or block, or number of the section'),
                    'where' => new external_value(PARAM_RAW, 'table and field'),
                    'url' => new external_value(PARAM_RAW, 'the address'),
                ]), 'what in the copy still points at the source'),
            ], 'report of a copy that is done', VALUE_OPTIONAL),
            'warnings' => new external_warnings('course', 'id of the copy, or 0', 'precheck or noreport'),
        ]);
    }

    /**
     * What was warned of, in the form of Moodle's warnings.
     *
     * @param \stdClass $job
     * @return array[]
     */
    private static function warnings(\stdClass $job): array {
        return array_map(fn($warning) => [
            'item' => 'course',
            'itemid' => (int) $job->courseid,
            'warningcode' => $warning['code'],
            'message' => $warning['message'],
        ], json_decode($job->warnings ?? '[]', true));
    }

    /**
     * A value that may be null.
     *
     * @param string $type
     * @param string $description
     * @return external_value
     */
    private static function nullable(string $type, string $description): external_value {
        return new external_value($type, $description, VALUE_REQUIRED, null, NULL_ALLOWED);
    }
}
