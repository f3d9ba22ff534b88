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
 * Web service: core_course_async_duplicate_course.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\external;

use context_course;
use context_coursecat;
use core_external\external_api;
use core_external\external_description;
use core_external\external_function_parameters;
use core_external\external_multiple_structure;
use core_external\external_single_structure;
use core_external\external_value;
use local_asyncduplicate\local\choices;
use local_asyncduplicate\local\request;
use local_asyncduplicate\local\submission;
use moodle_exception;

/**
 * Starts the duplication of a course.
 */
class start extends external_api {
    /**
     * Parameters of the function.
     *
     * @return external_function_parameters
     */
    public static function execute_parameters(): external_function_parameters {
        return new external_function_parameters([
            'id' => new external_value(PARAM_INT, 'id of the course to duplicate'),
            'fullname' => new external_value(PARAM_TEXT, 'full name of the copy'),
            'shortname' => new external_value(PARAM_TEXT, 'short name of the copy'),
            'categoryid' => new external_value(PARAM_INT, 'category of the copy'),
            'options' => new external_multiple_structure(
                new external_single_structure([
                    'name' => new external_value(PARAM_ALPHAEXT, 'name of an option: ' . implode(', ', array_map(
                        fn($name, $default) => "\"$name\" (default $default)",
                        array_keys(choices::DEFAULTS),
                        choices::DEFAULTS
                    ))),
                    'value' => new external_value(PARAM_RAW, '1 (yes) or 0 (no); enrolments: 0 never, 1 with users, 2 always'),
                ]),
                'options; instead of {"name": "users", "value": 1} an item may also be {"users": 1}',
                VALUE_DEFAULT,
                []
            ),
            'visible' => new external_value(PARAM_INT, 'whether the copy is visible, 1 or 0', VALUE_DEFAULT, 1),
            'startdate' => self::date('start of the copy as Unix timestamp; moves all dates of the course and its activities'),
            'enddate' => self::date('end of the copy as Unix timestamp, 0 for none'),
            'idnumber' => new external_value(PARAM_RAW, 'idnumber of the copy', VALUE_DEFAULT, ''),
            'idempotencykey' => new external_value(
                PARAM_RAW,
                'a repeated call with the same key answers with the same duplicateid and never makes a second copy',
                VALUE_DEFAULT,
                ''
            ),
        ]);
    }

    /**
     * Validates parameters, after both forms of options became one.
     *
     * @param external_description $description
     * @param mixed $params
     * @return mixed
     */
    public static function validate_parameters(external_description $description, $params) {
        if ($description instanceof external_function_parameters && is_array($params) && isset($params['options'])) {
            $params['options'] = choices::flatten($params['options']);
        }
        return parent::validate_parameters($description, $params);
    }

    /**
     * Starts the duplication.
     *
     * @param int $id
     * @param string $fullname
     * @param string $shortname
     * @param int $categoryid
     * @param array $options
     * @param int $visible
     * @param int|null $startdate
     * @param int|null $enddate
     * @param string $idnumber
     * @param string $idempotencykey
     * @return array
     */
    public static function execute(
        int $id,
        string $fullname,
        string $shortname,
        int $categoryid,
        array $options = [],
        int $visible = 1,
        ?int $startdate = null,
        ?int $enddate = null,
        string $idnumber = '',
        string $idempotencykey = ''
    ): array {
        $request = request::from_parameters(self::validate_parameters(self::execute_parameters(), [
            'id' => $id,
            'fullname' => $fullname,
            'shortname' => $shortname,
            'categoryid' => $categoryid,
            'options' => $options,
            'visible' => $visible,
            'startdate' => $startdate,
            'enddate' => $enddate,
            'idnumber' => $idnumber,
            'idempotencykey' => $idempotencykey,
        ]));
        $before = submission::submitted_before($request);
        if ($before === null) {
            self::validate_contexts($request);
        }
        return ['duplicateid' => $before ?? submission::submit($request)];
    }

    /**
     * What is returned.
     *
     * @return external_single_structure
     */
    public static function execute_returns(): external_single_structure {
        return new external_single_structure([
            'duplicateid' => new external_value(PARAM_ALPHANUMEXT, 'the unique id of the duplication process'),
        ]);
    }

    /**
     * Requires that course and category exist and that the caller may see them.
     *
     * @param request $request
     */
    private static function validate_contexts(request $request): void {
        global $DB;
        if (!$DB->record_exists('course', ['id' => $request->sourceid])) {
            throw new moodle_exception('invalidcourseid', 'error');
        }
        self::validate_context(context_coursecat::instance($request->categoryid));
        self::validate_context(context_course::instance($request->sourceid));
    }

    /**
     * Description of an optional date.
     *
     * @param string $description
     * @return external_value
     */
    private static function date(string $description): external_value {
        return new external_value(PARAM_INT, $description, VALUE_DEFAULT, null, NULL_ALLOWED);
    }
}
