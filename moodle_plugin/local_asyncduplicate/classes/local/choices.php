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
 * The ten options of a duplication.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use moodle_exception;

/**
 * Takes the options in both forms, checks them and says which of them have an effect.
 */
class choices {
    /** @var int[] All options with their defaults, in the order in which they depend on each other. */
    public const DEFAULTS = [
        'activities' => 1,
        'blocks' => 1,
        'filters' => 1,
        'users' => 0,
        'enrolments' => 1,
        'role_assignments' => 0,
        'comments' => 0,
        'userscompletion' => 0,
        'logs' => 0,
        'grade_histories' => 0,
    ];

    /** @var int Value of "enrolments": never copy enrolment methods. */
    public const ENROLMENTS_NEVER = 0;

    /** @var int Value of "enrolments": copy enrolment methods together with users. */
    public const ENROLMENTS_WITH_USERS = 1;

    /** @var int Value of "enrolments": always copy enrolment methods. */
    public const ENROLMENTS_ALWAYS = 2;

    /** @var string[] Options without effect unless users are copied. */
    private const NEED_USERS = ['role_assignments', 'comments', 'userscompletion', 'logs', 'grade_histories'];

    /**
     * Brings [{"users": 1, "blocks": 0}] into the form [{"name": "users", "value": 1}, ...].
     *
     * Anything that is neither form stays as it is: Moodle's own validation refuses it.
     *
     * @param mixed $given
     * @return mixed
     */
    public static function flatten($given) {
        if (!is_array($given)) {
            return $given;
        }
        $list = [];
        foreach ($given as $item) {
            if (!is_array($item) || array_key_exists('name', $item) || array_key_exists('value', $item)) {
                $list[] = $item;
                continue;
            }
            foreach ($item as $name => $value) {
                $list[] = ['name' => (string) $name, 'value' => $value];
            }
        }
        return $list;
    }

    /**
     * All ten options as they will work.
     *
     * @param array $list items with name and value; of one that is named twice the last counts
     * @return int[] by name
     * @throws moodle_exception invalidextparam for an unknown option or value
     */
    public static function effective(array $list): array {
        $chosen = self::DEFAULTS;
        foreach ($list as $item) {
            $allowed = $item['name'] === 'enrolments' ? ['0', '1', '2'] : ['0', '1'];
            if (!array_key_exists($item['name'], $chosen) || !in_array((string) $item['value'], $allowed, true)) {
                throw new moodle_exception('invalidextparam', 'webservice', '', $item['name']);
            }
            $chosen[$item['name']] = (int) $item['value'];
        }
        if (!$chosen['users']) {
            $chosen = array_merge($chosen, array_fill_keys(self::NEED_USERS, 0));
            if ($chosen['enrolments'] === self::ENROLMENTS_WITH_USERS) {
                $chosen['enrolments'] = self::ENROLMENTS_NEVER;
            }
        }
        if (!$chosen['activities']) {
            $chosen['grade_histories'] = 0;
        }
        return $chosen;
    }
}
