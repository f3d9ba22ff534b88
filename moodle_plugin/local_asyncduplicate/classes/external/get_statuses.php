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
 * Web service: core_course_async_duplicate_course_get_statuses.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\external;

use context_system;
use core_external\external_function_parameters;
use core_external\external_multiple_structure;
use core_external\external_single_structure;
use core_external\external_value;
use core_external\external_warnings;
use local_asyncduplicate\local\jobs;
use local_asyncduplicate\local\permissions;
use local_asyncduplicate\local\queue;

/**
 * Phase, status and progress of many duplications, their places in the queue, and when cron last ran.
 */
class get_statuses extends job_api {
    /** @var int How many ids are looked up with one statement. */
    private const CHUNK = 500;

    /**
     * Parameters of the function.
     *
     * @return external_function_parameters
     */
    public static function execute_parameters(): external_function_parameters {
        return new external_function_parameters([
            'duplicateids' => new external_multiple_structure(
                new external_value(PARAM_ALPHANUMEXT, 'the unique id of a duplication process')
            ),
        ]);
    }

    /**
     * The statuses, in the order of the ids. Unknown ids are left out and warned of.
     *
     * @param string[] $duplicateids
     * @return array
     */
    public static function execute(array $duplicateids): array {
        $params = self::validate_parameters(self::execute_parameters(), ['duplicateids' => $duplicateids]);
        self::validate_context(context_system::instance());
        $jobs = self::visible($params['duplicateids']);
        $ahead = queue::ahead($jobs);
        $statuses = [];
        $warnings = [];
        foreach ($params['duplicateids'] as $place => $duplicateid) {
            if (!isset($jobs[$duplicateid])) {
                $warnings[] = [
                    'item' => 'duplicateid',
                    'itemid' => $place,
                    'warningcode' => 'invalidrecord',
                    'message' => get_string('unknownduplication', 'local_asyncduplicate', $duplicateid),
                ];
                continue;
            }
            $statuses[] = ['duplicateid' => $duplicateid] + jobs::status($jobs[$duplicateid]) + [
                'ahead' => $ahead[$duplicateid],
                'timecreated' => (int) $jobs[$duplicateid]->timecreated,
                'timemodified' => (int) $jobs[$duplicateid]->timemodified,
            ];
        }
        return [
            'statuses' => $statuses,
            'cron' => ['lastrun' => queue::cron_last_run(), 'now' => time()],
            'warnings' => $warnings,
        ];
    }

    /**
     * What is returned.
     *
     * @return external_single_structure
     */
    public static function execute_returns(): external_single_structure {
        return new external_single_structure([
            'statuses' => new external_multiple_structure(new external_single_structure(
                ['duplicateid' => new external_value(PARAM_ALPHANUMEXT, 'the unique id of the duplication process')]
                + self::status_fields()
                + [
                    'ahead' => new external_value(PARAM_INT, 'tasks that wait in Moodle\'s queue before this one; '
                        . '0 for one that does not wait; at most ' . queue::MOST),
                    'timecreated' => new external_value(PARAM_INT, 'when it was started'),
                    'timemodified' => new external_value(PARAM_INT, 'when it changed last'),
                ]
            )),
            'cron' => new external_single_structure([
                'lastrun' => new external_value(PARAM_INT, 'when Moodle\'s cron was started last; 0 if never'),
                'now' => new external_value(PARAM_INT, 'the time of the server'),
            ]),
            'warnings' => new external_warnings('duplicateid', 'place of the id in the list, from 0', 'invalidrecord'),
        ]);
    }

    /**
     * The rows that the current user may see.
     *
     * @param string[] $duplicateids
     * @return \stdClass[] by duplicateid
     */
    private static function visible(array $duplicateids): array {
        global $DB, $USER;
        $jobs = [];
        $more = permissions::may_see_all() ? '' : ' AND userid = :userid';
        foreach (array_chunk(array_unique($duplicateids), self::CHUNK) as $chunk) {
            [$in, $params] = $DB->get_in_or_equal($chunk, SQL_PARAMS_NAMED);
            $jobs += $DB->get_records_select(
                jobs::TABLE,
                "duplicateid $in$more",
                $params + ($more ? ['userid' => $USER->id] : []),
                '',
                'duplicateid, phase, status, progress, taskid, timecreated, timemodified'
            );
        }
        return $jobs;
    }
}
